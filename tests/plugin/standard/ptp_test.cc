// SPDX-License-Identifier: Apache-2.0
/// The ptp and loopback plugins on the real kernel.
#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kExample =
    R"({"cniVersion":"0.3.1","name":"mynet","type":"ptp","ipMasq":true,"mtu":512,"ipam":{"type":"host-local","subnet":"10.1.1.0/24"},"dns":{"nameservers":["10.1.1.1","8.8.8.8"]}})";
constexpr const char* kBoth =
    R"({"cniVersion":"1.1.0","name":"mynet","type":"ptp","ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.1.0/24"}],[{"subnet":"2001:db8:1::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}})";

class Ptp : public StandardTest {};

TEST_F(Ptp, ConnectsThePodWithTheNodeAsWrittenInTheExample) {
  const PluginResult result = runner_.add("ptp", kExample);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(boost::json::serialize(result.json.at("dns")), R"({"nameservers":["10.1.1.1","8.8.8.8"]})");
  EXPECT_EQ(result.json.at("interfaces").as_array().size(), 2U);
  EXPECT_EQ(result.json.at("ips").as_array().at(0).at("interface").as_int64(), 1);
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("mtu 512"));
  EXPECT_TRUE(reaches(pod_, "10.1.1.1"));
}

TEST_F(Ptp, RoutesBothFamiliesToTheOutsideAndBetweenPods) {
  make_outside();
  const std::string other = make_netns("pod2");
  ASSERT_TRUE(runner_.add("ptp", kBoth).ok());
  const PluginResult second = runner_.add("ptp", kBoth, pod("pod2"));
  ASSERT_TRUE(second.ok()) << second;
  for (const char* address :
       {"10.1.1.1", "10.1.1.3", "192.0.2.2", "2001:db8:1::1", "2001:db8:1::3", "2001:db8:ffff::2"})
    EXPECT_TRUE(reaches(pod_, address)) << address;
  EXPECT_THAT(must_run_in(pod_, "ip route"), HasSubstr("10.1.1.0/24 via 10.1.1.1 dev eth0"));
  EXPECT_THAT(must_run("ip route"), HasSubstr("10.1.1.2 dev veth"));
}

TEST_F(Ptp, DelLeavesNothingEvenWithTheNetnsGone) {
  const NodeSnapshot before = NodeSnapshot::take();
  ASSERT_TRUE(runner_.add("ptp", kBoth).ok());
  must_run("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
  delete_netns("pod1");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(runner_.del("ptp", kBoth).ok());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Ptp, GcReturnsWhatIsNotListed) {
  ASSERT_TRUE(runner_.add("ptp", kBoth).ok());
  const PluginResult gc = runner_.gc("ptp", with_valid(kBoth, "[]"));
  EXPECT_TRUE(gc.ok()) << gc;
  EXPECT_THAT(must_run("nft list ruleset; ip route"),
              Not(::testing::AnyOf(HasSubstr("barewire"), HasSubstr("10.1.1.2"))));
}

TEST_F(Ptp, CheckFindsEachMissingPiece) {
  const std::vector<std::array<std::string, 3>> damages = {
      {pod_, "ip addr del 10.1.1.2/24 dev eth0", "10.1.1.2/24"},
      {pod_, "ip route del 10.1.1.0/24", "10.1.1.0/24"},
      {pod_, "ip route del default", "0.0.0.0/0"},
      {"", "ip route del 10.1.1.2", "10.1.1.2/32"},
      {"",
       "ip addr del 10.1.1.1/32 dev $(ls /sys/class/net | grep veth || ip -o link | grep -o 'veth[0-9a-f]*' | head -1)",
       "10.1.1.1"},
      {"", "nft delete table inet barewire", "missing"},
      {"", "sysctl -qw net.ipv4.ip_forward=0", "ip_forward"}};
  for (const auto& [netns, command, part] : damages) {
    const PluginResult result = runner_.add("ptp", kBoth);
    ASSERT_TRUE(result.ok()) << result;
    const PluginResult whole = runner_.check("ptp", with_previous(kBoth, result));
    EXPECT_TRUE(whole.ok()) << whole;
    must_run_in(netns, command);
    const PluginResult found = runner_.check("ptp", with_previous(kBoth, result));
    EXPECT_FALSE(found.ok()) << command;
    EXPECT_THAT(found.msg(), HasSubstr(part)) << command;
    EXPECT_TRUE(runner_.del("ptp", kBoth).ok());
    must_run("rm -rf /var/lib/cni/networks");
  }
}

TEST_F(Ptp, RefusesBadValuesWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const char* keys : {R"("mtu":-1,"ipam":{"type":"host-local"})", R"("mtu":"x","ipam":{"type":"host-local"})",
                           R"("ipMasq":1,"ipam":{"type":"host-local"})", R"("ipMasq":true)",
                           R"("ipMasq":true,"ipMasqBackend":"x","ipam":{"type":"host-local"})"}) {
    const PluginResult result =
        runner_.add("ptp", fmt::format(R"({{"cniVersion":"1.0.0","name":"n","type":"ptp",{}}})", keys));
    EXPECT_EQ(result.code(), 7) << keys << result;
  }
  EXPECT_NODE_UNCHANGED(before);
}

class Loopback : public StandardTest {
 protected:
  static constexpr const char* kConfig = R"({"cniVersion":"1.0.0","name":"lo","type":"loopback"})";
};

TEST_F(Loopback, BringsLoUpAndTellsItsAddresses) {
  must_run_in(pod_, "ip link set lo down");
  const PluginResult result = runner_.add("loopback", kConfig);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(result.json.at("interfaces").as_array().at(0).at("name").as_string(), "lo");
  EXPECT_EQ(result.json.at("interfaces").as_array().at(0).at("mac").as_string(), "00:00:00:00:00:00");
  EXPECT_EQ(result.json.at("ips").as_array().at(0).at("address").as_string(), "127.0.0.1/8");
  EXPECT_TRUE(reaches(pod_, "127.0.0.1"));
  EXPECT_TRUE(runner_.check("loopback", kConfig).ok());
  must_run_in(pod_, "ip link set lo down");
  EXPECT_EQ(runner_.check("loopback", kConfig).code(), 104);
}

TEST_F(Loopback, PassesThePreviousResultOn) {
  const PluginResult result = runner_.add(
      "loopback",
      R"({"cniVersion":"1.0.0","name":"lo","type":"loopback","prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"x"}]}})");
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(result.json.at("interfaces").as_array().at(0).at("name").as_string(), "x");
}

TEST_F(Loopback, DelIsHarmlessTwiceAndWithTheNetnsGone) {
  EXPECT_TRUE(runner_.del("loopback", kConfig).ok());
  EXPECT_TRUE(runner_.del("loopback", kConfig).ok());
  delete_netns("pod1");
  EXPECT_TRUE(runner_.del("loopback", kConfig).ok());
}

}  // namespace
}  // namespace barewire::test
