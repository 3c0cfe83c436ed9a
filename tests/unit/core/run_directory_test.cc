// SPDX-License-Identifier: Apache-2.0
#include "core/run_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/state/store.h"
#include "tests/support/fake_sysfs.h"

namespace barewire {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(RunDirectory, LetsOthersThroughItselfAndRootAloneBelow) {
  const test::PrivateDirectory directory;
  const std::string run = directory.path() + "/run/barewire";
  const mode_t before = ::umask(077);
  make_run_directory(run, "attachments/blue");
  ::umask(before);
  EXPECT_EQ(0755U, mode_of(run));
  EXPECT_EQ(0700U, mode_of(run + "/attachments"));
  EXPECT_EQ(0700U, mode_of(run + "/attachments/blue"));
}

TEST(RunDirectory, LeavesWhatIsThereAsItIs) {
  const test::PrivateDirectory directory;
  const std::string run = directory.path() + "/barewire";
  make_run_directory(run, "locks");
  ASSERT_EQ(0, ::chmod(run.c_str(), 0711));
  make_run_directory(run, "locks");
  make_run_directory(run, "devices");
  EXPECT_EQ(0711U, mode_of(run));
}

TEST(RunDirectory, HoldsRecordsAndLocksThatRootAloneReads) {
  const test::PrivateDirectory directory;
  const std::string run = directory.path() + "/barewire";
  state::Store store(run);
  state::Attachment attachment;
  attachment.id = {"blue", "pod1", "net1", "ovs"};
  const state::FileLock lock = store.lock_attachment(attachment.id);
  store.save(attachment);
  ASSERT_TRUE(store.claim("0000:01:10.0", attachment.id));
  EXPECT_EQ(0755U, mode_of(run));
  for (const char* name : {"attachments", "devices", "locks"}) EXPECT_EQ(0700U, mode_of(run + "/" + name)) << name;
}

}  // namespace
}  // namespace barewire
