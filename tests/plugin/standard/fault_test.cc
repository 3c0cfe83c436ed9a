// SPDX-License-Identifier: Apache-2.0
/// bridge and ptp killed, or made to fail, at each system call by which they change something.
#include "tests/support/fault.h"

#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

struct Case {
  const char* name;
  const char* plugin;
  const char* config;
};

constexpr const char* kBridge =
    R"({"cniVersion":"1.1.0","name":"mynet","type":"bridge","isDefaultGateway":true,"ipMasq":true,"macspoofchk":true,"hairpinMode":true,"ipam":{"type":"host-local","subnet":"10.22.0.0/16"}})";
constexpr const char* kPtp =
    R"({"cniVersion":"1.1.0","name":"mynet","type":"ptp","ipMasq":true,"ipam":{"type":"host-local","subnet":"10.23.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}})";

class StandardFault : public StandardTest, public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
    // The bridge, its address and forwarding stay when pods go: they are there before.
    make_netns("other");
    ASSERT_TRUE(runner_.add(plugin(), GetParam().config, pod("other")).ok());
  }
  std::string plugin() const { return GetParam().plugin; }
  Command command(const std::string& verb) const { return runner_.command(verb, plugin(), GetParam().config); }
  void expect_clean(const NodeSnapshot& before, const FaultOutcome& outcome) {
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    const PluginResult gone = runner_.del(plugin(), GetParam().config);
    EXPECT_TRUE(gone.ok()) << where << "\n" << gone;
    EXPECT_EQ("", before.difference(NodeSnapshot::take())) << "struck at " << where;
    EXPECT_FALSE(run_in(pod_, "ip link show eth0").ok()) << "struck at " << where;
  }
};

TEST_P(StandardFault, AddKilledAtEveryStepThenDelLeavesNothing) {
  const NodeSnapshot before = NodeSnapshot::take();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = kill_at(command("ADD"), n, KillTime::after);
    expect_clean(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 10U);
}

TEST_P(StandardFault, AddMadeToFailAtEveryStepUndoesItself) {
  const NodeSnapshot before = NodeSnapshot::take();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = fail_at(command("ADD"), n, EIO);
    EXPECT_LT(outcome.result.exit_status, 128) << "a signal ended it";
    expect_clean(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 10U);
}

TEST_P(StandardFault, DelKilledAtEveryStepThenDelAgainLeavesNothing) {
  const NodeSnapshot before = NodeSnapshot::take();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    EXPECT_TRUE(runner_.add(plugin(), GetParam().config).ok());
    const FaultOutcome outcome = kill_at(command("DEL"), n, KillTime::before);
    expect_clean(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 3U);
}

INSTANTIATE_TEST_SUITE_P(Plugins, StandardFault,
                         ::testing::Values(Case{"bridge", "bridge", kBridge}, Case{"ptp", "ptp", kPtp}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace barewire::test
