// SPDX-License-Identifier: Apache-2.0
#include "device-manager/liveness.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/fake_sysfs.h"
#include "tests/unit/device-manager/sample.h"

namespace barewire::manager {
namespace {

/// An attachment whose netns was this process's own.
state::Attachment own(const std::string& path) {
  state::Attachment attachment = sample::attachment("blue", "a", "");
  attachment.netns = path;
  attachment.netns_id = kernel::NetNs::current().id();
  return attachment;
}

TEST(LiveNetNs, IsAliveWhileAProcessIsInIt) {
  EXPECT_TRUE(LiveNetNs::scan().is_alive(own("/run/netns/does-not-exist"), "boot-1"));
}

TEST(LiveNetNs, IsAliveWhileItsPathLeadsToIt) {
  const test::PrivateDirectory no_processes;
  EXPECT_TRUE(LiveNetNs::scan(no_processes.path()).is_alive(own("/proc/self/ns/net"), "boot-1"));
}

TEST(LiveNetNs, IsDeadWithoutPathAndProcess) {
  const test::PrivateDirectory no_processes;
  EXPECT_FALSE(LiveNetNs::scan(no_processes.path()).is_alive(own("/run/netns/does-not-exist"), "boot-1"));
}

TEST(LiveNetNs, APathThatLeadsToAnotherNetnsNowDoesNotKeepItAlive) {
  state::Attachment attachment = own("/proc/self/ns/net");
  attachment.netns_id->inode = 1;  // no namespace ever has it
  EXPECT_FALSE(LiveNetNs::scan().is_alive(attachment, "boot-1"));
}

TEST(LiveNetNs, ARecordOfAnotherBootIsDeadWhateverItsPathLeadsTo) {
  EXPECT_FALSE(LiveNetNs::scan().is_alive(own("/proc/self/ns/net"), "boot-2"));
}

TEST(LiveNetNs, ARecordThatDoesNotTellItsNetnsIsAliveWhileThePathOpens) {
  state::Attachment attachment = own("/proc/self/ns/net");
  attachment.netns_id.reset();
  EXPECT_TRUE(LiveNetNs::scan().is_alive(attachment, "boot-1"));
  attachment.netns = "/run/netns/does-not-exist";
  EXPECT_FALSE(LiveNetNs::scan().is_alive(attachment, "boot-1"));
}

TEST(LiveNetNs, ProcessesThatCannotBeReadArePassedOver) {
  const test::PrivateDirectory proc;
  proc.write("12/status", "");
  proc.write("self/ns/net", "");
  EXPECT_FALSE(LiveNetNs::scan(proc.path()).is_alive(own("/run/netns/does-not-exist"), "boot-1"));
}

}  // namespace
}  // namespace barewire::manager
