// SPDX-License-Identifier: Apache-2.0
#include "core/temporary_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "core/draft.h"
#include "core/error.h"

namespace barewire {
namespace {

class TemporaryFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/barewire-temporary-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ + "/record";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  auto files() const { return std::distance(std::filesystem::directory_iterator(directory_), {}); }

  static pid_t start(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    try {
      work();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  static int end_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  /// The kernel kills it after 10 bytes. Source: setrlimit(2), RLIMIT_FSIZE.
  static void die_of(const std::function<void(const std::string& bytes)>& write) {
    const int status = end_of(start([&] {
      const rlimit few{.rlim_cur = 10, .rlim_max = 10};
      ::signal(SIGXFSZ, SIG_DFL);
      ::setrlimit(RLIMIT_FSIZE, &few);
      write(std::string(100, 'd'));
    }));
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) << status;
  }
  void write_and_die() const {
    die_of([this](const std::string& bytes) { write_all(open_temporary(path_, 0600).get(), bytes, path_); });
    ASSERT_EQ(read_file(temporary_of(path_)), std::string(10, 'd'));
  }

  std::string directory_, path_;
};

TEST_F(TemporaryFile, OfAKilledWriterIsTakenOverByTheNext) {
  write_file_atomically(path_, "old", Durability::until_reboot);
  write_and_die();
  EXPECT_EQ(read_file(path_), "old");
  write_file_atomically(path_, "new", Durability::until_reboot);
  EXPECT_EQ(read_file(path_), "new") << "and nothing of what the dead one had to say";
  EXPECT_EQ(files(), 1);
}

TEST_F(TemporaryFile, OfAKilledWriterIsRemovedOnRequest) {
  write_and_die();
  remove_temporary(path_);
  EXPECT_EQ(files(), 0);
  remove_temporary(path_);
  remove_temporary(directory_ + "/nowhere/record");
}

TEST_F(TemporaryFile, IsNotThereOfAKilledWriter) {
  const auto write = [this](const std::string& bytes) {
    write_file_atomically(path_, bytes, Durability::until_reboot);
  };
  die_of(write);
  EXPECT_EQ(files(), 0) << "of a new file";
  write("old");
  die_of(write);
  EXPECT_EQ(files(), 1) << "nor over an old one";
  EXPECT_EQ(read_file(path_), "old");
}

TEST_F(TemporaryFile, IsMadeOnlyWhereThereIsADirectoryForIt) {
  EXPECT_FALSE(try_write_file_atomically(directory_ + "/none/record", "x", Durability::until_reboot));
  EXPECT_THROW(write_file_atomically(directory_ + "/none/record", "x", Durability::until_reboot), Error);
  EXPECT_TRUE(try_write_file_atomically(path_, "x", Durability::durable));
  EXPECT_TRUE(try_write_file_atomically(path_, "y", Durability::durable));
  EXPECT_EQ(read_file(path_), "y");
  EXPECT_EQ(files(), 1);
}

TEST_F(TemporaryFile, IsHiddenBesideItsFile) {
  EXPECT_EQ(temporary_of("/run/x/record.json"), "/run/x/.record.json.tmp");
  EXPECT_EQ(temporary_of("record"), ".record.tmp");
}

TEST_F(TemporaryFile, IsNeverASymlinkThatLeadsElsewhere) {
  const std::string elsewhere = directory_ + "/elsewhere";
  write_file_atomically(elsewhere, "untouched", Durability::until_reboot);
  write_file_atomically(path_, "old", Durability::until_reboot);
  ASSERT_EQ(::symlink(elsewhere.c_str(), temporary_of(path_).c_str()), 0);
  EXPECT_THROW(write_file_atomically(path_, "new", Durability::until_reboot), Error);
  EXPECT_EQ(read_file(elsewhere), "untouched");
}

TEST_F(TemporaryFile, IsOneWritersAtATimeSoThatReadersSeeWholeContents) {
  constexpr int kWriters = 4, kTimes = 200;
  write_file_atomically(path_, "a", Durability::until_reboot);
  std::vector<pid_t> writers;
  for (int i = 0; i < kWriters; ++i)
    writers.push_back(start([this, i] {
      const std::string bytes(static_cast<std::size_t>(1 + 5000 * i), static_cast<char>('a' + i));
      for (int n = 0; n < kTimes; ++n) {
        write_file_atomically(path_, bytes, Durability::until_reboot);
        if (n % 20 == 0) remove_temporary(path_);  // which disturbs nobody
      }
    }));
  for (int n = 0; n < 500; ++n) {
    const std::string seen = read_file(path_).value_or("");
    ASSERT_FALSE(seen.empty());
    EXPECT_EQ(seen, std::string(static_cast<std::size_t>(1 + 5000 * (seen[0] - 'a')), seen[0]));
  }
  for (const pid_t writer : writers) EXPECT_EQ(end_of(writer), 0);
  EXPECT_EQ(files(), 1);
}

}  // namespace
}  // namespace barewire
