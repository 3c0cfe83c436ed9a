// SPDX-License-Identifier: Apache-2.0
/// dummy, ipvlan and vlan: what they share with others of their kind, and their own keys; macvlan on a kernel
/// before 6.13.
#include "tests/plugin/standard/pod_link_suite.h"
#include "tests/support/fault.h"

namespace barewire::test {

INSTANTIATE_TEST_SUITE_P(Lab, PodLink,
                         ::testing::Values(PodLinkCase{"dummy", "", "dummy"},
                                           PodLinkCase{"ipvlan", R"("master":"up0",)", "ipvlan"},
                                           PodLinkCase{"macvlan", R"("master":"up0",)", "macvlan"},
                                           PodLinkCase{"vlan", R"("master":"up0","vlanId":100,)",
                                                       "vlan protocol 802.1Q id 100",
                                                       R"("master":"up0","vlanId":101,)"}),
                         pod_link_name);

/// At every fifth step: it is the code that macvlan goes through at every step where there is no guest to wait for.
INSTANTIATE_TEST_SUITE_P(Lab, PodLinkFault,
                         ::testing::Values(PodLinkCase{"vlan", R"("master":"up0","vlanId":100,)", "vlan",
                                                       R"("master":"up0","vlanId":101,)", 5}),
                         pod_link_name);

namespace {

using ::testing::HasSubstr;

class PodLinkKeys : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (!IsSkipped()) make_outside();
  }
  static std::string config(const std::string& plugin, const std::string& keys) {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"mynet","type":"{}",{}}})", plugin, keys);
  }
  static std::string address_of(const PluginResult& result) {
    const std::string address(result.json.at("ips").as_array().at(0).at("address").as_string());
    return address.substr(0, address.find('/'));
  }
  static constexpr const char* kIpam =
      R"("ipam":{"type":"host-local","subnet":"192.0.2.0/24","rangeStart":"192.0.2.10","routes":[{"dst":"0.0.0.0/0"}]})";
};

TEST_F(PodLinkKeys, IpvlanHasTheModeAskedForAndReachesTheOutside) {
  for (const char* mode : {"l2", "l3", "l3s"}) {
    const std::string text = config("ipvlan", fmt::format(R"("master":"up0","mode":"{}",{})", mode, kIpam));
    const PluginResult result = runner_.add("ipvlan", text);
    ASSERT_TRUE(result.ok()) << result;
    EXPECT_THAT(must_run_in(pod_, "ip -d link show eth0"), HasSubstr(fmt::format("mode {} ", mode)));
    // Above layer 2 nothing answers ARP for the pod: others need a route.
    if (mode != std::string("l2"))
      must_run_in(outside_, fmt::format("ip route add {} via 192.0.2.1", address_of(result)));
    EXPECT_TRUE(reaches(pod_, "192.0.2.2")) << mode;
    EXPECT_TRUE(runner_.check("ipvlan", with_previous(text, result)).ok());
    EXPECT_TRUE(runner_.del("ipvlan", text).ok());
  }
}

/// On layer 3 the node's routes are those of its pods, beyond the network they share.
TEST_F(PodLinkKeys, IpvlanConnectsPodsAndTheOutsideAsWrittenInTheExample) {
  const std::string text =
      R"({"cniVersion":"0.3.1","name":"mynet","type":"ipvlan","master":"eth0","mode":"l3","ipam":{"type":"host-local","subnet":"10.1.2.0/24"}})";
  must_run(
      "ip link set up0 down && ip link set up0 name eth0 && ip link set eth0 up && "
      "ip route add 10.1.2.200 via 192.0.2.2");
  must_run_in(
      outside_,
      "ip link set lo up && ip addr add 10.1.2.200/32 dev lo && ip route add 10.1.2.0/24 via 192.0.2.1 src 10.1.2.200");
  const std::string other = make_netns("pod2");
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult first = runner_.add("ipvlan", text);
  const PluginResult second = runner_.add("ipvlan", text, pod("pod2"));
  ASSERT_TRUE(first.ok() && second.ok()) << first << second;
  EXPECT_EQ(boost::json::serialize(first.json.at("ips")),
            R"([{"version":"4","interface":0,"address":"10.1.2.2/24","gateway":"10.1.2.1"}])");
  EXPECT_THAT(must_run_in(pod_, "ip -d link show eth0"), HasSubstr("mode l3 "));
  for (const auto& [netns, address] : std::vector<std::pair<std::string, std::string>>{
           {pod_, "10.1.2.3"}, {other, "10.1.2.2"}, {pod_, "10.1.2.200"}, {outside_, "10.1.2.3"}})
    EXPECT_TRUE(run_in(netns, "ping -c1 -w20 -n " + address).ok()) << netns << " to " << address;
  EXPECT_TRUE(runner_.del("ipvlan", text).ok());
  EXPECT_TRUE(runner_.del("ipvlan", text, pod("pod2")).ok());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(PodLinkKeys, IpvlanInAChainStandsOnTheInterfaceBeforeAndTakesItsAddresses) {
  const std::string text = config(
      "ipvlan",
      R"("mode":"l2","prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"up0"}],"ips":[{"address":"192.0.2.77/24","interface":0}]})");
  const PluginResult result = runner_.add("ipvlan", text);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_THAT(must_run_in(pod_, "ip addr show eth0"), HasSubstr("192.0.2.77/24"));
  EXPECT_TRUE(reaches(pod_, "192.0.2.2"));
}

TEST_F(PodLinkKeys, VlanTalksToThatVlanAlone) {
  must_run_in(outside_,
              "ip link add eth0.100 link eth0 type vlan id 100 && ip link set eth0.100 up && "
              "ip addr add 192.0.2.3/24 dev eth0.100 && ip addr flush dev eth0");
  const std::string text = config("vlan", std::string(R"("master":"up0","vlanId":100,"mtu":1400,)") + kIpam);
  const PluginResult result = runner_.add("vlan", text);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_THAT(must_run_in(pod_, "ip -d link show eth0"), HasSubstr("mtu 1400"));
  EXPECT_TRUE(reaches(pod_, "192.0.2.3"));
  EXPECT_TRUE(runner_.check("vlan", with_previous(text, result)).ok());
  const std::string another = config("vlan", std::string(R"("master":"up0","vlanId":101,)") + kIpam);
  EXPECT_EQ(104, runner_.check("vlan", with_previous(another, result)).code());
}

TEST_F(PodLinkKeys, VlanIsRefusedToASecondPodOnTheSameMaster) {
  make_netns("pod2");
  const std::string text = config("vlan", std::string(R"("master":"up0","vlanId":100,)") + kIpam);
  EXPECT_TRUE(runner_.add("vlan", text).ok());
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult second = runner_.add("vlan", text, pod("pod2"));
  EXPECT_EQ(102, second.code()) << second;
  EXPECT_THAT(second.msg(), HasSubstr("VLAN 100 of up0 is in use"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(PodLinkKeys, BadValuesAreRefusedWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const auto& [plugin, keys, part] : std::vector<std::array<std::string, 3>>{
           {"ipvlan", std::string(R"("master":"up0","mode":"bridge",)") + kIpam, "\"mode\""},
           {"ipvlan", R"("master":"up0","mode":"l3s","ipam":{"type":"dhcp"})", "\"mode\" is \"l3s\""},
           {"ipvlan", R"("master":"up0")", "ipam"},
           {"ipvlan", std::string(R"("master":"absent",)") + kIpam, "\"master\""},
           {"vlan", std::string(R"("vlanId":100,)") + kIpam, "master"},
           {"vlan", std::string(R"("master":"up0","vlanId":4095,)") + kIpam, "\"vlanId\""},
           {"vlan", std::string(R"("master":"up0","vlanId":100,"mtu":9000,)") + kIpam, "\"mtu\""},
           {"dummy", R"("mtu":1)", "ipam"}}) {
    const PluginResult result = runner_.add(plugin, config(plugin, keys));
    EXPECT_EQ(7, result.code()) << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << keys;
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(PodLinkKeys, AreMadeWhereTheNodeHasAnInterfaceOfThatName) {
  must_run("ip link add eth0 type dummy");
  for (const char* plugin : {"macvlan", "ipvlan", "vlan"}) {
    const std::string text = config(plugin, std::string(R"("master":"up0","vlanId":7,)") + kIpam);
    const PluginResult result = runner_.add(plugin, text);
    EXPECT_TRUE(result.ok()) << plugin << result;
    EXPECT_TRUE(runner_.del(plugin, text).ok());
  }
}

TEST_F(PodLinkKeys, KilledWhereTheNodeHasAnInterfaceOfThatNameLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  must_run("ip link add eth0 type dummy");
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string empty = must_run_in(pod_, "ip -br link");
  const std::string text = config("macvlan", std::string(R"("master":"up0",)") + kIpam);
  const Command command = runner_.command("ADD", "macvlan", text);
  EXPECT_GT(for_each_mutation(
                [&](std::size_t n) {
                  const FaultOutcome outcome = kill_at(command, n, KillTime::after);
                  const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
                  EXPECT_TRUE(runner_.del("macvlan", text).ok()) << where;
                  EXPECT_EQ(empty, must_run_in(pod_, "ip -br link")) << "struck at " << where;
                  return outcome;
                },
                3),
            10U);
  EXPECT_NODE_UNCHANGED(before);
}

}  // namespace
}  // namespace barewire::test
