// SPDX-License-Identifier: Apache-2.0
#include "tests/plugin/standard/pod_link_suite.h"

#include "tests/support/fault.h"

namespace barewire::test {

using ::testing::HasSubstr;
using ::testing::Not;

void PodLink::SetUp() {
  StandardTest::SetUp();
  if (IsSkipped()) return;
  make_outside();
  // Nobody else is there to have the address; each ADD would wait for a second and more.
  must_run_in(pod_, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
}

std::string PodLink::config(const char* keys) {
  return fmt::format(
      R"({{"cniVersion":"1.1.0","name":"mynet","type":"{}",{}"ipam":{{"type":"host-local","ranges":[[{{"subnet":"192.0.2.0/24","rangeStart":"192.0.2.10"}}],[{{"subnet":"2001:db8:ffff::/64","rangeStart":"2001:db8:ffff::10"}}]],"routes":[{{"dst":"198.51.100.0/24"}}]}}}})",
      GetParam().plugin, keys);
}

PluginResult PodLink::add(const CniCall& call) {
  PluginResult result = runner_.add(plugin(), config(), call);
  EXPECT_TRUE(result.ok()) << result;
  return result;
}

std::string PodLink::pod_state() const {
  return must_run_in(pod_, "ip -br link; ip -br addr; ip route");
}

std::string pod_link_name(const ::testing::TestParamInfo<PodLinkCase>& one) {
  return one.param.plugin;
}

TEST_P(PodLink, GivesThePodItsLinkAddressesAndRoutesAndTakesThemBack) {
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string empty = pod_state();
  const PluginResult result = add();
  const auto& interfaces = result.json.at("interfaces").as_array();
  ASSERT_EQ(1U, interfaces.size());
  EXPECT_EQ("eth0", interfaces.at(0).at("name").as_string());
  EXPECT_EQ(pod_, interfaces.at(0).at("sandbox").as_string());
  EXPECT_EQ(0, result.json.at("ips").as_array().at(0).at("interface").as_int64());
  EXPECT_THAT(must_run_in(pod_, "ip -d link show eth0"), HasSubstr(GetParam().kind));
  EXPECT_THAT(must_run_in(pod_, "ip addr show eth0"), HasSubstr("inet 192.0.2.10/24"));
  EXPECT_THAT(must_run_in(pod_, "ip -6 addr show eth0"), HasSubstr("inet6 2001:db8:ffff::10/64"));
  EXPECT_THAT(must_run_in(pod_, "ip route"), HasSubstr("198.51.100.0/24 via 192.0.2.1 dev eth0"));
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  EXPECT_EQ(empty, pod_state());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_P(PodLink, DelIsHarmlessTwiceAndWithTheNetnsGone) {
  const NodeSnapshot before = NodeSnapshot::take();
  add();
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  add();
  delete_netns("pod1");
  const PluginResult gone = runner_.del(plugin(), config());
  EXPECT_TRUE(gone.ok()) << gone;
  CniCall nowhere = pod("pod1");
  nowhere.netns.clear();
  EXPECT_TRUE(runner_.del(plugin(), config(), nowhere).ok());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_P(PodLink, DelFindsALinkThatThePodRenamed) {
  const std::string empty = pod_state();
  add();
  must_run_in(pod_, "ip link set eth0 down && ip link set eth0 name mine");
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  EXPECT_EQ(empty, pod_state());
}

TEST_P(PodLink, DelFindsThePodThatOnlyAProcessKeeps) {
  const NetnsHolder holder(pod_);
  add();
  delete_netns("pod1");
  EXPECT_TRUE(run_in(holder.path(), "ip link show eth0").ok());
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  EXPECT_FALSE(run_in(holder.path(), "ip link show eth0").ok());
}

TEST_P(PodLink, DelWithoutARecordRemovesALinkOfItsKindAlone) {
  const std::string empty = pod_state();
  add();
  must_run("rm -r /run/barewire");
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  EXPECT_EQ(empty, pod_state());
  must_run_in(pod_, "ip link add eth0 type veth peer name other");
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  EXPECT_TRUE(run_in(pod_, "ip link show eth0").ok());
}

TEST_P(PodLink, RefusesANameThatIsTakenAndLeavesItsHolder) {
  must_run_in(pod_, "ip link add eth0 type veth peer name other");
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string state = pod_state();
  const PluginResult result = runner_.add(plugin(), config());
  EXPECT_EQ(102, result.code()) << result;
  EXPECT_EQ(state, pod_state());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_P(PodLink, RefusesASecondAdd) {
  add();
  EXPECT_EQ(102, runner_.add(plugin(), config()).code());
}

TEST_P(PodLink, AddStartsAnewWhereAnEarlierAddDied) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string empty = pod_state();
  for (const std::size_t step : {6U, 10U, 14U})
    EXPECT_TRUE(kill_at(runner_.command("ADD", plugin(), config()), step, KillTime::after).struck);
  const PluginResult result = add();
  EXPECT_TRUE(runner_.check(plugin(), with_previous(config(), result)).ok());
  EXPECT_TRUE(runner_.del(plugin(), config()).ok());
  EXPECT_EQ(empty, pod_state());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_P(PodLink, GcReturnsWhatIsNotListedAndNothingElse) {
  make_netns("pod2");
  EXPECT_TRUE(runner_.add(plugin(), config(GetParam().other_keys), pod("pod2")).ok());
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string empty = pod_state();
  add();
  const PluginResult gc = runner_.gc(plugin(), with_valid(config(), R"([{"containerID":"pod2","ifname":"eth0"}])"));
  EXPECT_TRUE(gc.ok()) << gc;
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_EQ(empty, pod_state());
}

TEST_P(PodLink, StatusIsThatOfIpam) {
  EXPECT_TRUE(runner_.status(plugin(), config()).ok());
  EXPECT_FALSE(
      runner_
          .status(plugin(),
                  fmt::format(R"({{"cniVersion":"1.1.0","name":"n","type":"{}",{}"ipam":{{"type":"no-such-plugin"}}}})",
                              plugin(), GetParam().keys))
          .ok());
}

TEST_P(PodLink, CheckFindsEachMissingPiece) {
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"ip addr del 192.0.2.10/24 dev eth0", "address 192.0.2.10/24 is missing"},
      {"ip route del 198.51.100.0/24", "route 198.51.100.0/24"},
      {"ip link set eth0 down", "down"},
      {"ip link set eth0 down && ip link set eth0 name eth9", "missing"},
      {"ip link del eth0 && ip link add eth0 type veth peer name other", ""}};
  for (const auto& [command, part] : damages) {
    const PluginResult result = add();
    const PluginResult whole = runner_.check(plugin(), with_previous(config(), result));
    EXPECT_TRUE(whole.ok()) << whole;
    must_run_in(pod_, command);
    const PluginResult found = runner_.check(plugin(), with_previous(config(), result));
    EXPECT_EQ(104, found.code()) << command << found;
    EXPECT_THAT(found.msg(), HasSubstr(part)) << command;
    EXPECT_TRUE(runner_.del(plugin(), config()).ok()) << command;
    run_in(pod_, "ip link del eth0");
    must_run("rm -rf /var/lib/cni/networks");
  }
}

TEST_P(PodLinkFault, KilledOrFailingAtAnyStepLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string empty = pod_state();
  const Command command = runner_.command("ADD", plugin(), config());
  const auto attempt = [&](const FaultOutcome& outcome) {
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    const PluginResult gone = runner_.del(plugin(), config());
    EXPECT_TRUE(gone.ok()) << where << "\n" << gone;
    EXPECT_EQ("", before.difference(NodeSnapshot::take())) << "struck at " << where;
    EXPECT_EQ(empty, pod_state()) << "struck at " << where;
    return outcome;
  };
  const auto killed = [&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after)); };
  const auto failed = [&](std::size_t n) { return attempt(fail_at(command, n, EIO)); };
  EXPECT_GT(for_each_mutation(killed, GetParam().fault_stride), 10U);
  EXPECT_GT(for_each_mutation(failed, GetParam().fault_stride), 10U);
}

}  // namespace barewire::test
