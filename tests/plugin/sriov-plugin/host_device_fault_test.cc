// SPDX-License-Identifier: Apache-2.0
/// host-device killed, or made to fail, at each system call by which it changes something.
#include <csignal>

#include "tests/plugin/sriov-plugin/host_device_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

class HostDeviceFault : public HostDeviceTest {
 protected:
  void SetUp() override {
    HostDeviceTest::SetUp();
    if (IsSkipped()) return;
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
    // An alternative name that is in the way of the move, a link that is up: as much to undo as there can be.
    must_run("ip link property add dev v0 altname eth0 && ip link set v0 up");
  }
  Command command(const std::string& verb) const { return runner_.command(verb, "host-device", device(kHostLocal)); }
  static std::string last(const FaultOutcome& outcome) {
    return outcome.mutations.empty() ? "" : outcome.mutations.back();
  }
  void del_and_expect(const NodeSnapshot& before, const FaultOutcome& outcome) {
    const PluginResult gone = runner_.del("host-device", device(kHostLocal));
    EXPECT_TRUE(gone.ok()) << last(outcome) << "\n" << gone;
    EXPECT_EQ("", lasting_difference(before)) << "struck at " << last(outcome);
    EXPECT_FALSE(exists(pod_, "eth0")) << "struck at " << last(outcome);
  }
};

class HostDeviceKilled : public HostDeviceFault, public ::testing::WithParamInterface<KillTime> {};

TEST_P(HostDeviceKilled, InAddThenDelLeavesTheNodeAsBefore) {
  const auto before = NodeSnapshot::take();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = kill_at(command("ADD"), n, GetParam());
    del_and_expect(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 15U);
}

TEST_P(HostDeviceKilled, InDelThenDelAgainLeavesTheNodeAsBefore) {
  const auto before = NodeSnapshot::take();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    must_add(device(kHostLocal));
    const FaultOutcome outcome = kill_at(command("DEL"), n, GetParam());
    del_and_expect(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 10U);
}

INSTANTIATE_TEST_SUITE_P(BeforeAndAfter, HostDeviceKilled, ::testing::Values(KillTime::before, KillTime::after),
                         [](const auto& param) { return param.param == KillTime::before ? "Before" : "After"; });

TEST_F(HostDeviceFault, AddKilledAnywhereCanBeRepeatedWithoutDel) {
  const auto before = NodeSnapshot::take();
  int refused = 0;
  for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = kill_at(command("ADD"), n, KillTime::after);
    if (outcome.struck) {
      const PluginResult again = runner_.add("host-device", device(kHostLocal));
      if (!again.ok()) {
        EXPECT_EQ(102, again.code()) << last(outcome) << "\n" << again;
        ++refused;
      }
    }
    del_and_expect(before, outcome);
    return outcome;
  });
  // Once the record says that all is done the ADD has happened, whether or not its result was printed.
  EXPECT_LE(refused, 3);
}

TEST_F(HostDeviceFault, AddThatFailsAtAnyStepUndoesItself) {
  const auto before = NodeSnapshot::take();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = fail_at(command("ADD"), n, EIO);
    // A thread that cannot leave the pod's netns must not go on: the program ends there, which is like a kill.
    const bool ended = outcome.result.out.find("returning to the node's network namespace") != std::string::npos;
    if (outcome.struck && !outcome.result.ok() && !ended) {
      EXPECT_EQ("", lasting_difference(before)) << "failed at " << last(outcome);
    }
    del_and_expect(before, outcome);
    return outcome;
  });
  EXPECT_GT(steps, 15U);
}

TEST_F(HostDeviceFault, DelThatFailsAtAnyStepIsDoneByTheNext) {
  const auto before = NodeSnapshot::take();
  for_each_mutation([&](std::size_t n) {
    must_add(device(kHostLocal));
    const FaultOutcome outcome = fail_at(command("DEL"), n, EIO);
    del_and_expect(before, outcome);
    return outcome;
  });
}

}  // namespace
}  // namespace barewire::test
