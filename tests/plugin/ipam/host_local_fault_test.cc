// SPDX-License-Identifier: Apache-2.0
/// host-local killed, or made to fail, at each system call by which it changes something.
#include <map>

#include "tests/plugin/ipam/host_local_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

constexpr const char* kTwoRanges = R"("ranges":[[{"subnet":"10.1.2.0/24"}],[{"subnet":"2001:db8::/64"}]])";

class HostLocalFault : public HostLocalTest {
 protected:
  void SetUp() override {
    HostLocalTest::SetUp();
    if (IsSkipped()) return;
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  }
  /// A node as after a boot or, `used`, one with another pod on it, and so with an index.
  void prepare(bool used) {
    fs::remove_all("/var/lib/cni/networks");
    fs::remove_all("/run/barewire");
    if (!used) return;
    ASSERT_TRUE(runner_.add("host-local", config(kTwoRanges), pod("other")).ok());
  }
  static void expect_no_part(const FaultOutcome& outcome) {
    for (const std::string& name : reservations())
      EXPECT_THAT(read_file(std::string(kDirectory) + "/" + name).value_or(""), AnyOf("a\r\neth0", "other\r\neth0"))
          << name << " after " << outcome.mutations.back();
  }
  Command add() const { return runner_.command("ADD", "host-local", config(kTwoRanges), pod("a")); }
  Command del() const { return runner_.command("DEL", "host-local", config(kTwoRanges), pod("a")); }
};

struct Kill {
  bool used;  ///< with another pod on the node
  KillTime when;
};
class HostLocalKilled : public HostLocalFault, public ::testing::WithParamInterface<Kill> {};

TEST_P(HostLocalKilled, AddKilledAtEveryStepThenDelLeavesNothing) {
  const NodeSnapshot whole = NodeSnapshot::take();
  prepare(GetParam().used);
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    if (!GetParam().used) prepare(false);
    const NodeSnapshot before = NodeSnapshot::take_files();
    const FaultOutcome outcome = kill_at(add(), n, GetParam().when);
    expect_no_part(outcome);
    const PluginResult gone = runner_.del("host-local", config(kTwoRanges), pod("a"));
    EXPECT_TRUE(gone.ok()) << outcome.mutations.back() << "\n" << gone;
    EXPECT_EQ("", before.difference(NodeSnapshot::take_files())) << "killed at " << outcome.mutations.back();
    return outcome;
  });
  EXPECT_GE(steps, GetParam().used ? 8U : 12U);
  prepare(false);
  EXPECT_NODE_UNCHANGED(whole);
}

INSTANTIATE_TEST_SUITE_P(OnANode, HostLocalKilled,
                         ::testing::Values(Kill{false, KillTime::before}, Kill{false, KillTime::after},
                                           Kill{true, KillTime::before}, Kill{true, KillTime::after}),
                         [](const auto& kill) {
                           return std::string(kill.param.used ? "InUse" : "JustBooted") +
                                  (kill.param.when == KillTime::before ? "KilledBefore" : "KilledAfter");
                         });

TEST_F(HostLocalFault, AddKilledAtEveryStepThenAnotherAddGetsAnAddress) {
  for_each_mutation([&](std::size_t n) {
    prepare(true);
    const FaultOutcome outcome = kill_at(add(), n, KillTime::after);
    const PluginResult other = runner_.add("host-local", config(kTwoRanges), pod("b"));
    EXPECT_TRUE(other.ok()) << outcome.mutations.back() << "\n" << other;
    const auto all = reservations();
    EXPECT_EQ(addresses(other).size(), 2U);
    for (const std::string& held : addresses(other))
      EXPECT_EQ(read_file(std::string(kDirectory) + "/" + held.substr(0, held.find('/'))), "b\r\neth0");
    return outcome;
  });
}

TEST_F(HostLocalFault, AddMadeToFailAtEveryStepReservesNothingOrSucceeds) {
  std::map<std::string, int> refused;
  for (const int err : {ENOSPC, EIO}) {
    prepare(true);
    for_each_mutation([&](std::size_t n) {
      const NodeSnapshot before = NodeSnapshot::take_files();
      const FaultOutcome outcome = fail_at(add(), n, err);
      const PluginResult result = PluginRunner::result_of(outcome.result);
      // A result that could not be printed stays reserved until the runtime calls DEL.
      const bool unprinted = outcome.struck && outcome.mutations.back().find("memfd:stdout") != std::string::npos;
      if (!result.ok() && !unprinted) {
        EXPECT_EQ("", before.difference(NodeSnapshot::take_files())) << outcome.mutations.back();
        EXPECT_EQ(result.code(), 5) << outcome.mutations.back() << result;
        ++refused[outcome.mutations.back()];
      }
      EXPECT_TRUE(runner_.del("host-local", config(kTwoRanges), pod("a")).ok());
      EXPECT_EQ("", before.difference(NodeSnapshot::take_files())) << outcome.mutations.back();
      return outcome;
    });
  }
  EXPECT_FALSE(refused.empty()) << "no step's failure was noticed";
}

TEST_F(HostLocalFault, DelKilledAtEveryStepIsRepeatable) {
  prepare(true);
  for_each_mutation([&](std::size_t n) {
    const NodeSnapshot before = NodeSnapshot::take_files();
    EXPECT_TRUE(runner_.add("host-local", config(kTwoRanges), pod("a")).ok());
    const FaultOutcome outcome = kill_at(del(), n, KillTime::after);
    EXPECT_TRUE(runner_.del("host-local", config(kTwoRanges), pod("a")).ok());
    EXPECT_EQ("", before.difference(NodeSnapshot::take_files())) << outcome.mutations.back();
    return outcome;
  });
}

TEST_F(HostLocalFault, DelThatFailsSaysSoAndKeepsWhatItCouldNotRelease) {
  prepare(true);
  ASSERT_TRUE(runner_.add("host-local", config(kTwoRanges), pod("a")).ok());
  const FaultOutcome whole = trace_mutations(del());
  const auto unlink = std::find_if(whole.mutations.begin(), whole.mutations.end(),
                                   [](const std::string& text) { return text.find("unlink") == 0; });
  ASSERT_NE(unlink, whole.mutations.end());
  ASSERT_TRUE(runner_.add("host-local", config(kTwoRanges), pod("a")).ok());
  const auto outcome = fail_at(del(), static_cast<std::size_t>(unlink - whole.mutations.begin()), EIO);
  const PluginResult failed = PluginRunner::result_of(outcome.result);
  EXPECT_EQ(failed.code(), 5) << failed;
  EXPECT_EQ(reservations().size(), 4U);
  EXPECT_TRUE(runner_.del("host-local", config(kTwoRanges), pod("a")).ok());
  EXPECT_EQ(reservations().size(), 2U);
}

}  // namespace
}  // namespace barewire::test
