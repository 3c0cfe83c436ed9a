// SPDX-License-Identifier: Apache-2.0
/// The ovs plugin on the kernel datapath with hw-offload on: pods exchange packets, their flows are filters of the
/// traffic class layer, and `barewire doctor` tells how many are in hardware.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <cstdlib>

#include "tests/support/command.h"
#include "tests/support/ovs_sandbox.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Offload : public OvsTest {
 protected:
  void SetUp() override {
    if (std::getenv("BAREWIRE_LAB") == nullptr) GTEST_SKIP() << "this test needs the lab's guest (docs/lab.md)";
    for (const char* module : {"openvswitch", "cls_flower", "act_mirred", "act_vlan", "sch_ingress"})
      must_run(std::string("modprobe ") + module);
    OvsTest::SetUp();
    if (IsSkipped()) return;
    runner_.install("static", built_program("barewire-cni"));
    ovs->vsctl("set Open_vSwitch . other_config:hw-offload=true");
    ovs->kill_vswitchd();  // it reads hw-offload as it starts
    ovs->start_vswitchd();
    ovs->vsctl("add-br br0");
    must_run("ip link set br0 up");
    before_ = ovs->configuration();
  }
  std::string config(int vlan, int host) const {
    return fmt::format(
        R"({{"cniVersion":"1.1.0","name":"lan","type":"ovs","bridge":"br0","socket_file":"{}","vlan":{},)"
        R"("ipam":{{"type":"static","addresses":[{{"address":"10.9.0.{}/24"}}]}}}})",
        ovs->socket(), vlan, host);
  }
  static CniCall pod(const std::string& name) {
    return {.container_id = name, .netns = "/run/netns/" + name, .ifname = "eth0", .args = {}, .netns_override = {}};
  }
  /// Returns the node's end of the pod's veth.
  std::string attach(const std::string& name, int vlan, int host) {
    make_netns(name);
    const PluginResult added = runner_.add("ovs", config(vlan, host), pod(name));
    EXPECT_TRUE(added.ok()) << added;
    if (!added.ok()) return {};
    return std::string(added.json.at("interfaces").at(0).at("name").as_string());
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
  static bool reaches(const std::string& name, int host) {
    return run_in("/run/netns/" + name, fmt::format("ping -c3 -i0.3 -W3 -n 10.9.0.{}", host)).ok();
  }

  PluginRunner runner_;
  std::string before_;
};

TEST_F(Offload, FlowsOfPodsOnOneVlanAreFiltersOfTheTrafficClassLayer) {
  const std::string port = attach("a", 100, 1);
  attach("b", 100, 2);
  attach("c", 200, 3);
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
  for (const auto& [name, vlan, host] : {std::tuple{"a", 100, 1}, {"b", 100, 2}, {"c", 200, 3}}) {
    const PluginResult gone = runner_.del("ovs", config(vlan, host), pod(name));
    EXPECT_TRUE(gone.ok()) << gone;
  }
  EXPECT_EQ(before_, ovs->configuration());
}

}  // namespace
}  // namespace barewire::test
