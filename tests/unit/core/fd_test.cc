// SPDX-License-Identifier: Apache-2.0
#include "core/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.h"

namespace barewire {
namespace {

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/barewire-fd-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(Files, ReadsWhatWasWrittenAtomically) {
  const std::string path = directory_ + "/record";
  write_file_atomically(path, "one", Durability::until_reboot);
  write_file_atomically(path, "two", Durability::durable);
  EXPECT_EQ(read_file(path), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1) << "a temporary file was left";
}

TEST_F(Files, TellsMissingFromUnreadable) {
  EXPECT_FALSE(read_file(directory_ + "/nothing"));
  EXPECT_FALSE(read_file(directory_ + "/nothing/below"));
  EXPECT_THROW(read_file(directory_), Error);  // a directory
}

TEST_F(Files, LeavesTheOldFileWhenItCannotBeReplaced) {
  const std::string path = directory_ + "/record";
  make_directories(path + "/in-the-way");
  EXPECT_THROW(write_file_atomically(path, "new", Durability::until_reboot), Error);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(Files, MakesParentDirectories) {
  make_directories(directory_ + "/a/b/c");
  make_directories(directory_ + "/a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(directory_ + "/a/b/c"));
  EXPECT_THROW(remove_file(directory_ + "/a/b/c"), Error);  // a directory is no file
  EXPECT_FALSE(remove_file(directory_ + "/a/nothing"));
}

TEST(OwnedFd, ClosesOnceWhenMoved) {
  Fd first = open_file("/dev/null", O_RDONLY);
  const int number = first.get();
  Fd second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): the state after a move is the point
  EXPECT_EQ(second.get(), number);
  EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
  second.reset();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

}  // namespace
}  // namespace barewire
