// SPDX-License-Identifier: Apache-2.0
/// The ovs plugin on the kernel datapath with hw-offload on: pods exchange packets, their flows are filters of the
/// traffic class layer, and `barewire doctor` tells how many are in hardware.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tests/lab/ovs/kernel_datapath.h"
#include "tests/support/command.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Offload : public KernelDatapath {
 protected:
  void set_up_switch() override {
    for (const char* module : {"cls_flower", "act_mirred", "act_vlan", "sch_ingress"})
      must_run(std::string("modprobe ") + module);
    ovs->vsctl("set Open_vSwitch . other_config:hw-offload=true");
    ovs->kill_vswitchd();  // it reads hw-offload as it starts
    ovs->start_vswitchd();
  }
  /// Returns the node's end of the pod's veth.
  std::string attach_to(int vlan, const std::string& name, int host) {
    const PluginResult added = attach(name, host, fmt::format(R"(,"vlan":{})", vlan));
    return added.ok() ? std::string(added.json.at("interfaces").at(0).at("name").as_string()) : "";
  }
  std::string doctor(const std::string& part) const {
    const CommandResult result =
        run(command_of(built_program("barewire"), {"doctor", "-o", "json", "--socket", "unix:" + ovs->socket()}, ""));
    std::string lines;
    const boost::json::value document = boost::json::parse(result.out);
    for (const auto& finding : document.at("findings").as_array())
      if (finding.at("part") == part.c_str())
        lines +=
            fmt::format("{}: {}\n", finding.at("verdict").as_string().c_str(), finding.at("text").as_string().c_str());
    return lines;
  }
  /// Of the switch itself, which knows each flow.
  std::uint64_t flows_of_switch(const std::string& type) const {
    const std::string flows = ovs->appctl("dpctl/dump-flows type=" + type);
    return static_cast<std::uint64_t>(std::count(flows.begin(), flows.end(), '\n'));
  }
  boost::json::value flows() const {
    const CommandResult result =
        run(command_of(built_program("barewire"), {"ovs", "-o", "json", "--db", "unix:" + ovs->socket()}, ""));
    return boost::json::parse(result.out).at("flows");
  }
  /// They come and go between the questions, hence several tries.
  void expect_flows_are_told_apart() const {
    boost::json::value told;
    EXPECT_TRUE(within(std::chrono::seconds(30),
                       [&] {
                         const std::uint64_t in_datapath = flows_of_switch("ovs"), in_tc = flows_of_switch("tc");
                         told = flows();
                         return in_tc > 0 && told.at("inDatapath") == in_datapath && told.at("inTc") == in_tc &&
                                told.at("inHardware") == 0U;
                       }))
        << boost::json::serialize(told) << ovs->appctl("dpctl/dump-flows");
    must_run("mkdir -p /run/openvswitch && ln -sf " + ovs->socket() + " /run/openvswitch/db.sock");
    const std::string metrics = run(command_of(built_program("barewire"), {"metrics"}, "")).out;
    must_run("rm /run/openvswitch/db.sock");
    EXPECT_THAT(metrics, AllOf(HasSubstr("barewire_ovs_flows{where=\"hardware\"} 0\n"),
                               HasSubstr("barewire_ovs_flows{where=\"tc\"} "),
                               HasSubstr("barewire_ovs_datapath_misses{datapath=\"ovs-system\"} ")));
  }
  static bool reaches(const std::string& name, int host) {
    return run_in("/run/netns/" + name, fmt::format("ping -c3 -i0.3 -W3 -n 10.9.0.{}", host)).ok();
  }
};

TEST_F(Offload, FlowsOfPodsOnOneVlanAreFiltersOfTheTrafficClassLayer) {
  const std::string port = attach_to(100, "a", 1);
  attach_to(100, "b", 2);
  attach_to(200, "c", 3);
  ASSERT_FALSE(port.empty());
  EXPECT_TRUE(reaches("a", 2));
  EXPECT_FALSE(reaches("a", 3));
  EXPECT_THAT(doctor("kernel"), Not(HasSubstr("broken")));
  EXPECT_THAT(doctor("Open vSwitch"), HasSubstr("ok: is told to offload flows"));
  // Flows live for ten seconds; the packets keep them alive.
  ChildProcess traffic(Command{.program = "ping",
                               .arguments = {"-i0.3", "-c100", "-n", "10.9.0.2"},
                               .argv0 = {},
                               .environment = {},
                               .stdin_bytes = {},
                               .netns = "/run/netns/a"});
  std::string filters;
  for (int tries = 0; tries < 40 && filters.find("flower") == std::string::npos; ++tries)
    filters = must_run("sleep 0.3; tc -s filter show dev " + port + " ingress");
  EXPECT_THAT(filters, AllOf(HasSubstr("flower"), HasSubstr("mirred"))) << ovs->appctl("dpctl/dump-flows");
  EXPECT_THAT(doctor(port), HasSubstr("offloaded flows are in hardware: it is no port of a switching NIC"));
  expect_flows_are_told_apart();
  for (const auto& [name, host] : {std::pair{"a", 1}, {"b", 2}, {"c", 3}}) must_detach(name, host);
  EXPECT_EQ(before_, ovs->configuration());
}

}  // namespace
}  // namespace barewire::test
