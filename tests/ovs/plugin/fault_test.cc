// SPDX-License-Identifier: Apache-2.0
/// The ovs plugin killed, or made to fail, at each system call by which it changes something, and the switch dying
/// under it.
#include "tests/support/fault.h"

#include <signal.h>

#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class OvsPluginFault : public OvsPluginTest {
 protected:
  void SetUp() override {
    OvsPluginTest::SetUp();
    if (IsSkipped()) return;
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
    conf_ = config(R"(,"vlan":100,"ipam":{"type":"host-local","subnet":"10.9.0.0/24"})");
    // What stays when pods go (host-local's directory) is there before.
    make_netns("other");
    ASSERT_TRUE(add(conf_, pod("other")).ok());
    before_ = ovs->configuration();
  }
  Command command(const std::string& verb) const { return runner_.command(verb, "ovs", conf_, pod("pod1")); }
  void expect_clean(const NodeSnapshot& before, const FaultOutcome& outcome) const {
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    const PluginResult gone = del(conf_);
    EXPECT_TRUE(gone.ok()) << where << "\n" << gone;
    EXPECT_EQ("", before.difference(NodeSnapshot::take_devices())) << "struck at " << where;
    EXPECT_EQ(ovs->configuration(), before_) << "struck at " << where;
    EXPECT_FALSE(run_in("/run/netns/pod1", "ip link show eth0").ok()) << "struck at " << where;
  }
  std::string conf_;
};

TEST_F(OvsPluginFault, AddKilledAtEveryStepThenDelLeavesNothing) {
  const NodeSnapshot before = NodeSnapshot::take_devices();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = kill_at(command("ADD"), n, KillTime::after);
    expect_clean(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 10U);
}

TEST_F(OvsPluginFault, AddMadeToFailAtEveryStepUndoesItself) {
  const NodeSnapshot before = NodeSnapshot::take_devices();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = fail_at(command("ADD"), n, EIO);
    expect_clean(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 10U);
}

TEST_F(OvsPluginFault, DelKilledAtEveryStepThenDelAgainLeavesNothing) {
  const NodeSnapshot before = NodeSnapshot::take_devices();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    EXPECT_TRUE(add(conf_).ok());
    const FaultOutcome outcome = kill_at(command("DEL"), n, KillTime::before);
    expect_clean(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 3U);
}

TEST_F(OvsPluginTest, ASwitchThatIsDownFailsAddWithTryAgainAndNothingStays) {
  ovs->kill_vswitchd();
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = add(config());
  EXPECT_EQ(result.code(), 11) << result;
  EXPECT_THAT(result.msg() + std::string(result.json.at("details").as_string()), HasSubstr("ovs-vswitchd"));
  expect_database_as_before();
  EXPECT_NODE_UNCHANGED(before);
  ovs->start_vswitchd();
  EXPECT_TRUE(add(config()).ok()) << "the runtime's second try";
}

TEST_F(OvsPluginTest, ASwitchThatRestartsDuringAddTakesThePort) {
  ::kill(ovs->vswitchd_pid(), SIGSTOP);
  ChildProcess adding(runner_.command("ADD", "ovs", config(), pod("pod1")));
  must_run("sleep 1");
  ovs->kill_vswitchd();
  ovs->start_vswitchd();
  const CommandResult result = adding.wait(std::chrono::seconds(30));
  EXPECT_TRUE(result.ok()) << result.out << result.err;
}

TEST_F(OvsPluginTest, ADatabaseThatIsDownFailsDelWithTryAgainAndALaterOneFinishes) {
  const std::string conf = config(R"(,"ipam":{"type":"host-local","subnet":"10.9.0.0/24"})");
  const PluginResult result = add(conf);
  ASSERT_TRUE(result.ok()) << result;
  ovs->kill_ovsdb();
  EXPECT_EQ(del(conf).code(), 11);
  EXPECT_FALSE(run_in("", "ip link show " + interface_name(result, 0)).ok()) << "the rest is taken down meanwhile";
  ovs->start_ovsdb();
  EXPECT_TRUE(del(conf).ok());
  expect_database_as_before();
}

TEST_F(OvsPluginTest, DelOfWhatIsNotOnRecordSucceedsWithoutADatabase) {
  ovs->kill_ovsdb();
  EXPECT_TRUE(del(config()).ok());
}

TEST_F(OvsPluginTest, AfterABootDelFindsThePortByItsOwner) {
  const PluginResult result = add(config());
  ASSERT_TRUE(result.ok()) << result;
  const std::string port = interface_name(result, 0);
  must_run("rm -r /run/barewire; ip link del " + port);
  delete_netns("pod1");
  ovs->vsctl("set Port " + port + " external_ids:bootID=earlier");
  EXPECT_TRUE(del(config()).ok());
  expect_database_as_before();
}

}  // namespace
}  // namespace barewire::test
