// SPDX-License-Identifier: Apache-2.0
/// The bond plugin over links of the node and of the pod, with traffic that outlives one of them.
#include <chrono>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// v1 and v2 are links of the node, or of the pod; both lead to one bridge outside.
class Bond : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    outside_ = make_netns("outside");
    must_run_in(outside_, "ip link add br0 type bridge && ip link set br0 up && ip addr add 192.0.2.1/24 dev br0");
  }
  /// In `netns`, a name; empty = on the node.
  void make_links(const std::string& netns = {}) {
    for (const char* name : {"v1", "v2"})
      must_run(fmt::format(
          "ip link add {0} type veth peer name {0} netns outside && ip -n outside link set {0} master br0 up"
          "{1}",
          name, netns.empty() ? "" : fmt::format(" && ip link set {} netns {}", name, netns)));
  }
  static std::string config(const std::string& keys = R"("mode":"active-backup","miimon":"100","failOverMac":1)") {
    return fmt::format(
        R"({{"cniVersion":"1.1.0","name":"mynet","type":"bond",{},"links":[{{"name":"v1"}},{{"name":"v2"}}],"ipam":{{"type":"host-local","subnet":"192.0.2.0/24","rangeStart":"192.0.2.10"}}}})",
        keys);
  }
  static std::string in_container(const std::string& keys = R"("mode":"active-backup","miimon":"100")") {
    return config(keys + R"(,"linksInContainer":true)");
  }
  /// The first loads the kernel's driver, which takes a guest its time.
  PluginResult add(const std::string& text) {
    Command command = runner_.command("ADD", "bond", text);
    command.timeout = std::chrono::minutes(3);
    PluginResult result = PluginRunner::result_of(run(command));
    EXPECT_TRUE(result.ok()) << text << result;
    return result;
  }
  void del(const std::string& text) {
    const PluginResult result = runner_.del("bond", text);
    EXPECT_TRUE(result.ok()) << text << result;
  }
  /// Records and reservations.
  static std::string kept_files() {
    return must_run("find /run/barewire /var/lib/cni '(' -name '*.json' -o -name '192.*' ')' 2>/dev/null || true");
  }
  static std::string links_of(const std::string& netns) {
    return must_run_in(netns,
                       "for n in v1 v2; do ip -o link show $n | sed 's/^[0-9]*: //; s/@if[0-9]*//; "
                       "s/ qdisc.*link.ether/ link/'; done");
  }
};

TEST_F(Bond, CarriesTrafficWhileOneLinkIsLeftAndGivesBothBack) {
  make_links();
  must_run("ip link set v1 up");
  const std::string links = links_of("");
  const PluginResult result = add(config());
  EXPECT_EQ(1U, result.json.at("interfaces").as_array().size());
  EXPECT_EQ("eth0", result.json.at("interfaces").at(0).at("name").as_string());
  EXPECT_THAT(must_run_in(pod_, "ip -d link show eth0"),
              AllOf(HasSubstr("bond mode active-backup"), HasSubstr("miimon 100"), HasSubstr("fail_over_mac active")));
  EXPECT_THAT(must_run_in(pod_, "ip -br link show master eth0"), AllOf(HasSubstr("v1"), HasSubstr("v2")));
  EXPECT_FALSE(run_in("", "ip link show v1").ok());
  EXPECT_TRUE(run_in(pod_, "ping -c1 -w20 -n 192.0.2.1").ok());
  for (const char* name : {"v1", "v2"}) {
    must_run_in(outside_, fmt::format("ip link set {} down", name));
    EXPECT_TRUE(run_in(pod_, "ping -c1 -w30 -n 192.0.2.1").ok()) << "without " << name;
    must_run_in(outside_, fmt::format("ip link set {} up", name));
    EXPECT_TRUE(run_in(pod_, fmt::format("for i in $(seq 100); do grep -A1 'Interface: {}' /proc/net/bonding/eth0 | "
                                         "grep -q 'Status: up' && exit 0; sleep 0.1; done; exit 1",
                                         name))
                    .ok());
  }
  const PluginResult checked = runner_.check("bond", with_previous(config(), result));
  EXPECT_TRUE(checked.ok()) << checked;
  del(config());
  EXPECT_EQ(links, links_of(""));
  EXPECT_FALSE(run_in(pod_, "ip link show eth0").ok());
  del(config());
  EXPECT_EQ(links, links_of(""));
}

TEST_F(Bond, IsMadeOfLinksThatAreInThePod) {
  make_links("pod1");
  must_run_in(pod_,
              "ip link set v1 mtu 1450 && ip link set v1 address 02:00:00:00:00:01 && "
              "ip link set v2 address 02:00:00:00:00:01 && ip link set v2 up");
  const std::string links = links_of(pod_);
  const std::string text = in_container(
      R"("mode":"balance-tlb","miimon":50,"tlbDynamicLb":0,"allSlavesActive":1,"xmitHashPolicy":"layer3+4","mtu":1400,"ifname":"bond7")");
  const PluginResult result = add(text);
  EXPECT_EQ("bond7", result.json.at("interfaces").at(0).at("name").as_string());
  EXPECT_THAT(must_run_in(pod_, "ip -d link show bond7"),
              AllOf(HasSubstr("mtu 1400"), HasSubstr("bond mode balance-tlb"), HasSubstr("tlb_dynamic_lb 0"),
                    HasSubstr("all_slaves_active 1"), HasSubstr("xmit_hash_policy layer3+4")));
  EXPECT_TRUE(run_in(pod_, "ping -c1 -w20 -n 192.0.2.1").ok());
  EXPECT_TRUE(runner_.check("bond", with_previous(text, result)).ok());
  EXPECT_EQ("2\n",
            must_run_in(pod_, "ip -d link show master bond7 | grep -o 'perm_hwaddr [0-9a-f:]*' | sort -u | wc -l"))
      << "two links of one address";
  del(text);
  EXPECT_EQ(links, links_of(pod_));
  add(in_container());
  EXPECT_TRUE(runner_.gc("bond", with_valid(in_container(), "[]")).ok());
  EXPECT_EQ(links, links_of(pod_));
}

TEST_F(Bond, CheckFindsEachDifference) {
  make_links("pod1");
  for (const char* damage : {"ip link set v1 nomaster", "ip link set eth0 down", "ip addr flush dev eth0",
                             "ip link set eth0 type bond miimon 200", "ip link del v2", "ip link del eth0"}) {
    const PluginResult result = add(in_container());
    must_run_in(pod_, damage);
    EXPECT_EQ(104, runner_.check("bond", with_previous(in_container(), result)).code()) << damage;
    del(in_container());
    if (std::string(damage) == "ip link del v2")
      must_run(
          "ip link add v2 type veth peer name v2 netns outside && ip -n outside link set v2 master br0 up && "
          "ip link set v2 netns pod1");
  }
}

TEST_F(Bond, DelManagesWithoutRecordAndWithoutPod) {
  make_links();
  const std::string names = "for n in v1 v2; do ip -br link show $n | cut -d@ -f1; done";
  add(config());
  must_run("rm /run/barewire/attachments/mynet/*.bond.json");
  del(config());
  EXPECT_EQ("v1\nv2\n", must_run(names));
  EXPECT_FALSE(run_in(pod_, "ip link show eth0").ok());
  add(config());
  delete_netns("pod1");
  CniCall nowhere = pod("pod1");
  nowhere.netns.clear();
  const PluginResult gone = runner_.del("bond", config(), nowhere);
  EXPECT_TRUE(gone.ok()) << gone;
  EXPECT_EQ("", kept_files());
}

TEST_F(Bond, RefusesBadValuesWithNothingTouched) {
  make_links();
  const NodeSnapshot before = NodeSnapshot::take();
  const auto refuse = [&](const std::string& text, int code, const std::string& part) {
    const PluginResult result = runner_.add("bond", text);
    EXPECT_EQ(code, result.code()) << text << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << text;
  };
  const std::string mode = R"("mode":"active-backup","miimon":"100",)";
  refuse(config(mode + R"("failOverMac":3)"), 7, "failOverMac");
  refuse(config(mode + R"("mtu":9000)"), 7, "\"mtu\" is 9000");
  const std::string head = R"({"cniVersion":"1.1.0","name":"mynet","type":"bond",)" + mode + R"("links":)";
  refuse(head + R"([{"name":"v1"},{"name":"absent"}]})", 101, "absent");
  refuse(in_container(), 101, "v1");
  must_run("ip link add br9 type bridge && ip link set v2 master br9");
  refuse(config(), 102, "v2");
  must_run("ip link del br9");
  EXPECT_NODE_UNCHANGED(before);
}

/// At every fourth step: a guest takes its time to trace a program.
TEST_F(Bond, KilledOrFailingAtAnyStepLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  constexpr std::size_t kStride = 4;
  make_links();
  const auto state = [this] { return links_of("") + must_run_in(pod_, "ip -br link") + kept_files(); };
  const std::string before = state();
  const Command command = runner_.command("ADD", "bond", config());
  const auto attempt = [&](const FaultOutcome& outcome) {
    del(config());
    EXPECT_EQ(before, state()) << "struck at " << (outcome.mutations.empty() ? "" : outcome.mutations.back());
    return outcome;
  };
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after)); }, kStride),
            10U);
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(fail_at(command, n, EIO)); }, kStride), 10U);
}

}  // namespace
}  // namespace barewire::test
