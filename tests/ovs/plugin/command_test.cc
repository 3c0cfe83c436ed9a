// SPDX-License-Identifier: Apache-2.0
/// `barewire ovs` beside a real switch and pods that the plugin has attached.
#include "tests/support/command.h"

#include <boost/json/parse.hpp>

#include "tests/ovs/plugin/ovs_fixture.h"
#include "tests/support/within.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class OvsCommandTest : public OvsPluginTest {
 protected:
  CommandResult show(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.begin(), {"ovs", "--db", "unix:" + ovs->socket()});
    return run(command_of(built_program("barewire"), std::move(arguments)));
  }
  boost::json::object port(const std::string& name, std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.begin(), {"-o", "json"});
    const boost::json::value document = boost::json::parse(show(std::move(arguments)).out);
    for (const auto& bridge : document.at("bridges").as_array())
      for (const auto& each : bridge.at("ports").as_array())
        if (each.at("name") == name.c_str()) return each.as_object();
    return {};
  }
};

TEST_F(OvsCommandTest, TellsOfEveryPortWhoseItIsAndHowItIsTagged) {
  make_netns("web");
  const CniCall web = pod("web", "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=u-1");
  const PluginResult access = add(config(R"(,"vlan":100,"mtu":1400)" + with_address("10.9.0.1/24")), web);
  ASSERT_TRUE(access.ok()) << access;
  const PluginResult native = attach("b", R"(,"vlan":5,"trunk":[{"minID":10,"maxID":12},{"id":20}],"protected":true)");
  const PluginResult trunk = attach("c", R"(,"tunnel":{"type":"vxlan","remotes":["192.0.2.7"],"key":7})");
  const std::string a = interface_name(access, 0), b = interface_name(native, 0), c = interface_name(trunk, 0);
  ovs->vsctl("-- --id=@m create Mirror name=m1 select_all=true -- --id=@o get Port " + c +
             " -- set Mirror m1 output_port=@o -- add Bridge br0 mirrors @m");
  const CommandResult table = show();
  EXPECT_EQ(table.exit_status, 0) << table.out << table.err;
  EXPECT_THAT(table.out, AllOf(HasSubstr("br0  userspace datapath  "), ContainsRegex(a + " +system +[0-9]+ +100 +up"),
                               HasSubstr("default/web-0"), HasSubstr("5 native, 10-12,20"),
                               ContainsRegex(c + " +system +[0-9]+ +all"), HasSubstr("mirror m1: everything -> " + c)));
  EXPECT_THAT(table.out, Not(HasSubstr("MTU")));
  EXPECT_THAT(show({"-o", "wide"}).out, AllOf(HasSubstr("MTU"), HasSubstr("to 192.0.2.7 key 7"), HasSubstr("1400")));
  const auto json = port(a);
  EXPECT_EQ(json.at("tag"), 100);
  EXPECT_EQ(json.at("state"), "up");
  EXPECT_EQ(json.at("mtu"), 1400);
  EXPECT_GT(json.at("ofport").as_int64(), 0);
  EXPECT_EQ(json.at("holder").at("network"), "lan");
  EXPECT_EQ(json.at("holder").at("containerID"), "web");
  EXPECT_EQ(json.at("holder").at("ifname"), "eth0");
  EXPECT_EQ(json.at("holder").at("pod").at("name"), "web-0");
  EXPECT_EQ(port(b).at("vlanMode"), "native-untagged");
  EXPECT_EQ(port(b).at("trunks").as_array().size(), 4U);
  EXPECT_EQ(port(b).at("protected"), true);
}

/// The value of a metric's line that begins with `head`; -1 without one.
double metric(const std::string& page, const std::string& head) {
  const auto at = page.find("\n" + head);
  const auto end = page.find('\n', at + 1);
  if (at == std::string::npos) return -1;
  const std::string line = page.substr(at, end - at);
  return std::stod(line.substr(line.rfind(' ')));
}

TEST_F(OvsCommandTest, TellsWhatWentThroughAPodsPort) {
  // Where every program looks for the database.
  must_run("mkdir -p /run/openvswitch && ln -s " + ovs->socket() + " /run/openvswitch/db.sock");
  make_netns("web");
  const CniCall web = pod("web", "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=u-1");
  const PluginResult added = add(config(with_address("10.9.0.1/24")), web);
  ASSERT_TRUE(added.ok()) << added;
  attach("b", with_address("10.9.0.2/24"));
  const std::string a = interface_name(added, 0);
  must_run_in("/run/netns/web", "for i in $(seq 60); do ping -c1 -W1 -n 10.9.0.2 && exit 0; done; exit 1");
  int interval = 60000;
  const auto received = [&] {
    // The switch renews its counters every five seconds at most, and at once when that is set to something else.
    // Source: vswitchd/bridge.c, run_stats_update.
    ovs->vsctl(fmt::format("set Open_vSwitch . other_config:stats-update-interval={}", ++interval));
    const boost::json::object shown = port(a);
    const boost::json::value& bytes = shown.at("statistics").at("rxBytes");
    return bytes.is_number() ? bytes.to_number<double>() : 0;
  };
  constexpr std::chrono::seconds kRenewed{20};
  double before = 0;
  ASSERT_TRUE(within(kRenewed, [&] {  // what set the pods up, neighbours and all, may still be on its way
    const double last = std::exchange(before, received());
    return last > 0 && last == before;
  }));
  must_run_in("/run/netns/web", "ping -q -f -c300 -s1400 -W5 -n 10.9.0.2");
  const double sent = 300 * 1442.0;
  ASSERT_TRUE(within(kRenewed, [&] { return received() - before >= sent; })) << received() - before;
  EXPECT_NEAR(received() - before, sent, sent * 0.02);
  const std::string labels =
      fmt::format(R"({{bridge="br0",port="{}",namespace="default",pod="web-0",network="lan",interface="eth0"}})", a);
  const std::string page = run(command_of(built_program("barewire"), {"metrics"})).out;
  EXPECT_NEAR(metric(page, "barewire_ovs_port_rx_bytes" + labels) - before, sent, sent * 0.02) << page;
  EXPECT_GE(metric(page, "barewire_ovs_port_tx_packets" + labels), 300);
  EXPECT_EQ(metric(page, "barewire_ovs_running"), 1);
  EXPECT_EQ(metric(page, "barewire_collector_success{collector=\"switch\"}"), 1);
  EXPECT_THAT(show({"-o", "wide"}).out, HasSubstr("RX BYTES"));
}

TEST_F(OvsCommandTest, NarrowsToABridgeAPodOrANetwork) {
  const std::string a = interface_name(attach("a", ""), 0), b = interface_name(attach("b", ""), 0);
  ovs->add_bridge("br1");
  EXPECT_THAT(show({"--container", "a"}).out, AllOf(HasSubstr(a), Not(HasSubstr(b)), Not(HasSubstr("br1"))));
  EXPECT_THAT(show({"--network", "lan"}).out, AllOf(HasSubstr(a), HasSubstr(b), Not(HasSubstr("internal"))));
  EXPECT_THAT(show({"--bridge", "br1"}).out, AllOf(HasSubstr("br1"), Not(HasSubstr(a))));
  EXPECT_THAT(show({"--network", "other"}).out, HasSubstr("No bridge matches."));
}

TEST_F(OvsCommandTest, SaysWhatIsWrongAndExitsWithOne) {
  const std::string a = interface_name(attach("a", ""), 0);
  EXPECT_EQ(show().exit_status, 0);
  delete_netns("a");
  const CommandResult stale = show();
  EXPECT_EQ(stale.exit_status, 1) << stale.out;
  EXPECT_THAT(stale.out, AllOf(ContainsRegex(a + ".* stale "), HasSubstr("its pod is gone")));
  EXPECT_TRUE(del(config(), pod("a")).ok());
  run_shell(fmt::format("ovs-vsctl --timeout=20 --db=unix:{} add-port br0 ghost 2>&1", ovs->socket()));
  EXPECT_EQ(show().exit_status, 1);
  EXPECT_EQ(port("ghost").at("state"), "error");
  EXPECT_THAT(show().out, HasSubstr("could not open network device ghost"));
  ovs->vsctl("del-port ghost");
  ovs->kill_vswitchd();
  EXPECT_EQ(show().exit_status, 1);
  EXPECT_THAT(show().out, HasSubstr("No ovs-vswitchd obeys the database"));
  ovs->kill_ovsdb();
  EXPECT_EQ(show().exit_status, 4);
  EXPECT_THAT(show().err, HasSubstr(ovs->socket()));
  EXPECT_EQ(show({"-o", "xml"}).exit_status, 2);
}

}  // namespace
}  // namespace barewire::test
