// SPDX-License-Identifier: Apache-2.0
/// macvlan and tap on the real kernel: what they share with others of their kind, and their own keys. The kinds a build
/// machine's kernel may lack are tested in the lab.
#include "tests/plugin/standard/pod_link_suite.h"

namespace barewire::test {

static const auto kHere = ::testing::Values(PodLinkCase{"macvlan", R"("master":"up0",)", "macvlan mode bridge"},
                                            PodLinkCase{"tap", "", "tun type tap"});
INSTANTIATE_TEST_SUITE_P(Here, PodLink, kHere, pod_link_name);
INSTANTIATE_TEST_SUITE_P(Here, PodLinkFault, kHere, pod_link_name);

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PodLinkKeys : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (!IsSkipped()) make_outside();
  }
  static std::string config(const std::string& plugin, const std::string& keys) {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"mynet","type":"{}",{}}})", plugin, keys);
  }
  PluginResult add(const std::string& plugin, const std::string& keys, const CniCall& call = {}) {
    PluginResult result = runner_.add(plugin, config(plugin, keys), call);
    EXPECT_TRUE(result.ok()) << keys << "\n" << result;
    return result;
  }
  void del(const std::string& plugin) { EXPECT_TRUE(runner_.del(plugin, config(plugin, R"("master":"up0")")).ok()); }
  static constexpr const char* kIpam =
      R"("ipam":{"type":"host-local","subnet":"192.0.2.0/24","rangeStart":"192.0.2.10","routes":[{"dst":"0.0.0.0/0"}]})";
};

TEST_F(PodLinkKeys, MacvlanReachesTheOutsideAndOtherPods) {
  const std::string other = make_netns("pod2");
  add("macvlan", std::string(R"("master":"up0","mode":"bridge",)") + kIpam);
  add("macvlan", std::string(R"("master":"up0","mode":"bridge",)") + kIpam, pod("pod2"));
  EXPECT_TRUE(reaches(pod_, "192.0.2.2"));
  EXPECT_TRUE(reaches(pod_, "192.0.2.11"));
  EXPECT_TRUE(reaches(other, "192.0.2.10"));
}

TEST_F(PodLinkKeys, MacvlanTakesTheInterfaceOfTheDefaultRoute) {
  must_run("ip route add default via 192.0.2.2");
  // The unused key of another plugin does not matter.
  add("macvlan", std::string(R"("bridge":"cni0","isGateway":true,"ipMasq":true,)") + kIpam);
  EXPECT_TRUE(reaches(pod_, "192.0.2.2"));
}

TEST_F(PodLinkKeys, MacvlanWithoutADefaultRouteAsksForAMaster) {
  const PluginResult result = runner_.add("macvlan", config("macvlan", kIpam));
  EXPECT_EQ(7, result.code()) << result;
  EXPECT_THAT(result.msg(), HasSubstr("\"master\" is missing"));
}

TEST_F(PodLinkKeys, MacvlanHasTheModeAskedFor) {
  for (const char* mode : {"bridge", "private", "vepa", "passthru"}) {
    const std::string text = config("macvlan", fmt::format(R"("master":"up0","mode":"{}")", mode));
    const PluginResult result = runner_.add("macvlan", text);
    ASSERT_TRUE(result.ok()) << result;
    EXPECT_THAT(must_run_in(pod_, "ip -d link show eth0"), HasSubstr(fmt::format("macvlan mode {}", mode)));
    EXPECT_TRUE(runner_.check("macvlan", with_previous(text, result)).ok());
    const std::string another = config(
        "macvlan", R"("master":"up0","mode":")" + std::string(mode == std::string("vepa") ? "bridge" : "vepa") + "\"");
    EXPECT_EQ(104, runner_.check("macvlan", with_previous(another, result)).code());
    del("macvlan");
  }
}

TEST_F(PodLinkKeys, AnAddressThatIsInUseNamesThePodThatHasIt) {
  make_netns("pod2");
  CniCall first = pod("pod1"), second = pod("pod2");
  first.args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web";
  const std::string keys = R"("master":"up0","mac":"02:00:00:00:00:07")";
  add("macvlan", keys, first);
  const std::string before = must_run("ip -br link");
  const PluginResult refused = runner_.add("macvlan", config("macvlan", keys), second);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.out, HasSubstr("bringing up eth0 failed"));
  EXPECT_THAT(refused.out, HasSubstr("attachment mynet/pod1/eth0 of pod shop/web has this MAC or IP address"));
  EXPECT_EQ(before, must_run("ip -br link"));
}

TEST_F(PodLinkKeys, MacvlanTakesMtuMacAndQueueLength) {
  const PluginResult result =
      add("macvlan", R"("master":"up0","mtu":1400,"bcqueuelen":2000,"mac":"02:00:00:00:00:05")");
  const std::string link = must_run_in(pod_, "ip -d link show eth0");
  EXPECT_THAT(link, HasSubstr("mtu 1400"));
  EXPECT_THAT(link, HasSubstr("02:00:00:00:00:05"));
  EXPECT_THAT(link, HasSubstr("bcqueuelen 2000"));
  EXPECT_THAT(link, HasSubstr("state UP"));
  EXPECT_EQ("02:00:00:00:00:05", result.json.at("interfaces").as_array().at(0).at("mac").as_string());
}

TEST_F(PodLinkKeys, MacvlanStandsOnAnInterfaceOfThePod) {
  must_run_in(pod_,
              "ip link add inner type veth peer name inner-peer && ip link set inner up && ip link set inner-peer up");
  const std::string text = config("macvlan", R"("master":"inner","linkInContainer":true)");
  const PluginResult result = runner_.add("macvlan", text);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("eth0@inner"));
  EXPECT_TRUE(runner_.check("macvlan", with_previous(text, result)).ok());
  const PluginResult outside =
      runner_.add("macvlan", config("macvlan", R"("master":"up0","linkInContainer":true)"), pod("pod1", "eth1"));
  EXPECT_EQ(7, outside.code()) << outside;
}

TEST_F(PodLinkKeys, MacvlanIsMadeWhereTheNodeHasAnInterfaceOfThatName) {
  must_run("ip link add eth0 type veth peer name eth0-peer");
  add("macvlan", R"("master":"up0")");
  EXPECT_THAT(must_run_in(pod_, "ip -d link show eth0"), HasSubstr("macvlan"));
}

TEST_F(PodLinkKeys, BadValuesAreRefusedWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const auto& [plugin, keys, part] :
       std::vector<std::array<std::string, 3>>{{"macvlan", R"("master":"up0","mode":"l2")", "\"mode\""},
                                               {"macvlan", R"("master":"up0","mtu":-1)", "\"mtu\""},
                                               {"macvlan", R"("master":"up0","mtu":1501)", "\"mtu\""},
                                               {"macvlan", R"("master":"up0","bcqueuelen":-1)", "\"bcqueuelen\""},
                                               {"macvlan", R"("master":"absent")", "\"master\" is \"absent\""},
                                               {"macvlan", R"("master":"up0","mac":"01:00:00:00:00:01")", "unicast"},
                                               {"tap", R"("owner":-1)", "\"owner\""},
                                               {"tap", R"("group":"users")", "\"group\""},
                                               {"tap", R"("bridge":"absent")", "\"bridge\""},
                                               {"tap", R"("multiQueue":1)", "\"multiQueue\""},
                                               {"tap", R"("mtu":70000)", "\"mtu\""}}) {
    const PluginResult result = runner_.add(plugin, config(plugin, keys));
    EXPECT_EQ(7, result.code()) << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << keys;
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(PodLinkKeys, TapHasTheOwnerGroupQueuesMtuAndMacAskedFor) {
  const PluginResult result =
      add("tap", R"("owner":65534,"group":12,"multiQueue":true,"mtu":1400,"mac":"02:00:00:00:00:05")");
  const std::string link = must_run_in(pod_, "ip -d link show eth0");
  for (const char* part :
       {"type tap", "multi_queue ", "persist on", "user nobody", "group man", "mtu 1400", "02:00:00:00:00:05", ",UP"})
    EXPECT_THAT(link, HasSubstr(part));
  EXPECT_EQ("02:00:00:00:00:05", result.json.at("interfaces").as_array().at(0).at("mac").as_string());
}

TEST_F(PodLinkKeys, TapIsAPortOfABridgeInThePod) {
  must_run_in(pod_, "ip link add br0 type bridge");
  const std::string text = config("tap", R"("bridge":"br0")");
  const PluginResult result = runner_.add("tap", text);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("master br0"));
  EXPECT_TRUE(runner_.check("tap", with_previous(text, result)).ok());
  must_run_in(pod_, "ip link set eth0 nomaster");
  EXPECT_EQ(104, runner_.check("tap", with_previous(text, result)).code());
}

TEST_F(PodLinkKeys, TapNeedsSelinuxForALabel) {
  if (run_in("", "test -e /sys/fs/selinux/enforce").ok()) GTEST_SKIP() << "this machine has SELinux";
  const PluginResult result =
      runner_.add("tap", config("tap", R"("selinuxContext":"system_u:system_r:container_t:s0")"));
  EXPECT_EQ(7, result.code()) << result;
  EXPECT_THAT(result.msg(), HasSubstr("\"selinuxContext\""));
  EXPECT_FALSE(run_in(pod_, "ip link show eth0").ok());
}

}  // namespace
}  // namespace barewire::test
