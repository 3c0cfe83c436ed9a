// SPDX-License-Identifier: Apache-2.0
/// Preparing claims and taking them back, killed at each change that either makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/plugin/device-manager/claim_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

/// Killed at each change that Prepare and Unprepare make.
class ClaimKill : public ClaimTest {
 protected:
  Command worker(const std::string& what, const TestClaim& claim) {
    Command command;
    command.program = CLAIM_WORKER;
    command.arguments = {what, server_->cluster().url, claim.uid, claim.name};
    return command;
  }
  std::string files() {
    return must_run(
        "find /var/run/cdi /run/k8s.cni.cncf.io/devinfo -type f; "
        "find /var/lib/cni/barewire -type f");
  }
  const TestClaim claim_{.uid = "1", .devices = {{"main", device(0)}, {"main", device(1)}}};
  const TestClaim other_{.name = "other", .uid = "2", .devices = {{"main", device(1)}, {"main", device(0)}}};
};

TEST_F(ClaimKill, AtEachChangeOfPrepareLeavesWhatIsPreparedAgainAndNothingTwice) {
  if (const std::string why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  put(claim_);
  put(other_);
  make_directories("/run/k8s.cni.cncf.io/devinfo/dp");
  const std::size_t count = for_each_mutation([&](std::size_t n) {
    const FaultOutcome outcome = kill_at(worker("prepare", claim_), n, KillTime::after);
    const bool promised = promise(0) || promise(1);
    const CommandResult second = run(worker("prepare", other_));
    EXPECT_TRUE(!promised || second.exit_status == 1) << n << second.out;
    if (second.exit_status == 0) {
      EXPECT_EQ(run(worker("prepare", claim_)).exit_status, 1) << n;
      EXPECT_EQ(run(worker("unprepare", other_)).exit_status, 0);
    }
    const CommandResult again = run(worker("prepare", claim_));
    EXPECT_EQ(again.exit_status, 0) << n << ": " << outcome.mutations.back() << again.out;
    EXPECT_TRUE(read_file(cdi_path(claim_)) && read_file(device_info(0)) && read_file(device_info(1))) << n;
    EXPECT_EQ(run(worker("unprepare", claim_)).exit_status, 0);
    EXPECT_EQ(files(), "") << n << ": " << outcome.mutations.back();
    return outcome;
  });
  EXPECT_GT(count, 10U);
}

TEST_F(ClaimKill, AtEachChangeOfUnprepareLeavesWhatIsTakenBackByTheNext) {
  if (const std::string why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  put(claim_);
  make_directories("/run/k8s.cni.cncf.io/devinfo/dp");
  const std::size_t count = for_each_mutation([&](std::size_t n) {
    EXPECT_EQ(run(worker("prepare", claim_)).exit_status, 0) << n;
    const FaultOutcome outcome = kill_at(worker("unprepare", claim_), n, KillTime::after);
    EXPECT_EQ(run(worker("unprepare", claim_)).exit_status, 0) << n;
    EXPECT_EQ(files(), "") << n << ": " << outcome.mutations.back();
    return outcome;
  });
  EXPECT_GT(count, 5U);
}

}  // namespace
}  // namespace barewire::test
