// SPDX-License-Identifier: Apache-2.0
#include "core/cni/life.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sysfs.h"

namespace barewire {
namespace {

using ::testing::HasSubstr;

constexpr const char* kNowhere = "/run/netns/does-not-exist";

/// An attachment whose netns is this process's own.
state::Attachment own(const std::string& path) {
  state::Attachment attachment;
  attachment.id = {"blue", "a", "net1", "sriov"};
  attachment.netns = path;
  attachment.netns_id = kernel::NetNs::current().id();
  attachment.boot_id = "boot-1";
  return attachment;
}

/// One that no process is in: no namespace ever has its inode.
state::Attachment dead(const std::string& path = kNowhere) {
  state::Attachment attachment = own(path);
  attachment.netns_id->inode = 1;
  return attachment;
}

Look is_dead_at(const state::Attachment& attachment, const std::string& proc = "/proc",
                const std::string& boot = "boot-1") {
  return LifeSigns(proc, boot).is_dead(attachment);
}

TEST(LifeSigns, ANetnsThatAProcessIsInLives) {
  EXPECT_TRUE(is_dead_at(own(kNowhere)).is_no());
  EXPECT_TRUE(is_dead_at(own("")).is_no());
  EXPECT_TRUE(is_dead_at(own("netns/relative")).is_no());
}

TEST(LifeSigns, ANetnsAtItsPathLivesWhateverProcessesSay) {
  EXPECT_TRUE(is_dead_at(own("/proc/self/ns/net"), "/nonexistent").is_no());
}

TEST(LifeSigns, OneThatIsNowhereIsDead) {
  EXPECT_TRUE(is_dead_at(dead()).is_yes());
  EXPECT_TRUE(is_dead_at(dead("/proc/self/ns/net")).is_yes()) << "its path leads to another one by now";
}

TEST(LifeSigns, WithoutAListOfProcessesNothingIsKnown) {
  const Look look = is_dead_at(own(kNowhere), "/nonexistent");
  EXPECT_TRUE(look.is_unknown());
  EXPECT_THAT(look.why(), HasSubstr("listing /nonexistent"));
}

TEST(LifeSigns, AProcPathThatHidesTheFirstProcessProvesNoDeath) {
  const test::PrivateDirectory proc;
  proc.write("12/status", "");
  proc.write("12/ns/net", "");
  proc.write("12/ns/mnt", "");
  EXPECT_TRUE(is_dead_at(dead(), proc.path()).is_unknown());
  proc.write("1/ns/net", "");
  EXPECT_TRUE(is_dead_at(dead(), proc.path()).is_yes());
}

TEST(LifeSigns, OfAnotherBootIsDeadOnlyIfItIsNowhere) {
  EXPECT_TRUE(is_dead_at(dead(), "/proc", "boot-2").is_yes());
  EXPECT_TRUE(is_dead_at(own("/proc/self/ns/net"), "/proc", "boot-2").is_unknown());
  EXPECT_TRUE(is_dead_at(own(kNowhere), "/proc", "boot-2").is_unknown());
}

TEST(LifeSigns, ABootThatCannotBeReadProvesNothing) {
  EXPECT_TRUE(is_dead_at(dead(), "/proc", "").is_unknown());
  EXPECT_TRUE(is_dead_at(own(kNowhere), "/proc", "").is_no());
}

TEST(LifeSigns, ARecordThatDoesNotTellItsNetnsIsNeverToldDead) {
  state::Attachment attachment = own("/proc/self/ns/net");
  attachment.netns_id.reset();
  EXPECT_TRUE(is_dead_at(attachment).is_no());
  attachment.netns = kNowhere;
  EXPECT_TRUE(is_dead_at(attachment).is_unknown());
  EXPECT_TRUE(is_dead_at(attachment, "/proc", "boot-2").is_yes());
}

}  // namespace
}  // namespace barewire
