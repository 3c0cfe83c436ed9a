// SPDX-License-Identifier: Apache-2.0
#include "core/regular_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/directory.h"
#include "core/error.h"
#include "core/state/lock.h"
#include "core/temporary_file.h"
#include "core/unix_socket.h"

namespace barewire {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// What `work` throws; empty when it throws nothing.
template <typename Work>
std::string error_of(const Work& work) {
  try {
    work();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

class RegularFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/barewire-regular-XXXXXX";
    directory_ = ::mkdtemp(name);
    ::mkfifo((directory_ + "/fifo").c_str(), 0600);
    fs::create_directory(directory_ + "/directory");
    fs::create_symlink("/dev/zero", directory_ + "/device");
    fs::create_symlink(directory_ + "/fifo", directory_ + "/link-to-fifo");
    const sockaddr_un address = unix_address(directory_ + "/socket");
    socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    write_file_atomically(directory_ + "/file", "text", Durability::until_reboot);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string directory_;
  Fd socket_;
};

TEST_F(RegularFile, WhatIsNoFileIsAnErrorAtOnceThatNamesIt) {
  const std::pair<const char*, const char*> cases[] = {{"fifo", "it is a FIFO"},
                                                       {"directory", "it is a directory"},
                                                       {"device", "it is a device"},
                                                       {"link-to-fifo", "it is a FIFO"},
                                                       {"socket", "it is a socket"}};
  for (const auto& [name, what] : cases) {
    const std::string path = directory_ + "/" + name;
    EXPECT_THAT(error_of([&] { read_file(path); }), HasSubstr(what)) << name;
    EXPECT_NE(error_of([&] { open_regular_for_writing(path, O_WRONLY, 0600); }), "") << name;
    EXPECT_NE(error_of([&] { state::FileLock::acquire(path, "it"); }), "") << name;
  }
  EXPECT_EQ(read_file(directory_ + "/file"), "text");
  EXPECT_EQ(read_file(directory_ + "/none"), std::nullopt);
}

TEST_F(RegularFile, TheTemporaryFileOfAWriterThatIsAFifoIsAnErrorToo) {
  write_file_atomically(directory_ + "/record", "old", Durability::until_reboot);
  ::mkfifo((directory_ + "/.record.tmp").c_str(), 0600);
  EXPECT_THAT(error_of([&] { write_file_atomically(directory_ + "/record", "x", Durability::until_reboot); }),
              HasSubstr("a FIFO"));
}

TEST_F(RegularFile, EndlessOnesAreReadToALimit) {
  ASSERT_EQ(::truncate((directory_ + "/file").c_str(), 1 << 20), 0);
  EXPECT_THAT(error_of([&] { read_file(directory_ + "/file", 4096); }), HasSubstr("more than 4096 bytes"));
}

TEST_F(RegularFile, IsNotWrittenThroughASymbolicLink) {
  fs::create_symlink(directory_ + "/file", directory_ + "/link");
  fs::create_symlink(directory_ + "/new", directory_ + "/dangling");
  for (const char* name : {"link", "dangling"})
    EXPECT_THAT(error_of([&] { open_regular_for_writing(directory_ + "/" + name, O_WRONLY | O_TRUNC, 0600); }),
                HasSubstr("a symbolic link"));
  EXPECT_EQ(read_file(directory_ + "/file"), "text");
  EXPECT_FALSE(fs::exists(directory_ + "/new"));
}

TEST_F(RegularFile, OfRootIsBelievedOnlyWhereNobodyElseCanWrite) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string file = directory_ + "/directory/record";
  write_file_atomically(file, "root's", Durability::until_reboot);
  EXPECT_EQ(read_roots_file(file), "root's") << "below /tmp, which is sticky";
  EXPECT_EQ(read_roots_file(directory_ + "/none/record"), std::nullopt);

  ASSERT_EQ(::chmod(file.c_str(), 0622), 0);
  EXPECT_EQ(read_roots_file(file), std::nullopt);
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  ASSERT_EQ(::chmod((directory_ + "/directory").c_str(), 01777), 0);
  EXPECT_EQ(read_roots_file(file), std::nullopt) << "a sticky directory lets others make the file";
  ASSERT_EQ(::chmod((directory_ + "/directory").c_str(), 0755), 0);
  ASSERT_EQ(::chown(directory_.c_str(), 65534, 65534), 0);
  EXPECT_EQ(read_roots_file(file), std::nullopt) << "the owner of a directory above can put another there";
  ASSERT_EQ(::chown(directory_.c_str(), 0, 0), 0);
  EXPECT_EQ(read_roots_file(file), "root's");
}

TEST_F(RegularFile, OfRootThroughALinkIsBelievedIfTheLinkIsRoots) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  fs::create_symlink("directory", directory_ + "/link");
  write_file_atomically(directory_ + "/directory/record", "root's", Durability::until_reboot);
  EXPECT_EQ(read_roots_file(directory_ + "/link/record"), "root's");
  ASSERT_EQ(::lchown((directory_ + "/link").c_str(), 65534, 65534), 0);
  EXPECT_EQ(read_roots_file(directory_ + "/link/record"), std::nullopt);
  EXPECT_THAT(error_of([&] { read_roots_file(directory_ + "/fifo"); }), HasSubstr("a FIFO"));
}

TEST_F(RegularFile, DirectoriesAreListedWholeAndSorted) {
  EXPECT_THAT(list_directory(directory_), ElementsAre("device", "directory", "fifo", "file", "link-to-fifo", "socket"));
  EXPECT_EQ(try_list_directory(directory_ + "/none"), std::nullopt);
  EXPECT_THROW(try_list_directory(directory_ + "/fifo"), Error)
      << "what is there is no directory: not known is not empty";
}

}  // namespace
}  // namespace barewire
