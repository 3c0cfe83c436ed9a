// SPDX-License-Identifier: Apache-2.0
#include "core/child.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "core/error.h"
#include "core/fd.h"

namespace barewire {
namespace {

using ::testing::HasSubstr;

struct Pipe {
  Fd out;
  Fd in;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw sys_error("making a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

int status_of(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

TEST(StartChild, HasItsArgumentsEnvironmentAndDescriptors) {
  Pipe pipe = make_pipe();
  const pid_t pid = start_child({.path = "/bin/sh",
                                 .arguments = {"sh", "-c", "echo $1 $WORD; echo said >&2", "sh", "given"},
                                 .environment = {"WORD=known"},
                                 .output = pipe.in.get(),
                                 .errors = pipe.in.get()});
  pipe.in.reset();
  EXPECT_EQ(read_all(pipe.out.get(), "the child"), "given known\nsaid\n");
  EXPECT_EQ(status_of(pid), 0);
}

TEST(StartChild, ThatCannotBeExecutedIsAnErrorAndLeavesNoProcess) {
  try {
    start_child({.path = "/dev/null", .arguments = {"null"}, .environment = {}});
    FAIL() << "it has been started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), static_cast<int>(Error::Code::delegate));
    EXPECT_THAT(error.what(), HasSubstr("executing /dev/null"));
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(StartChild, HasTheSignalMaskOfItsParent) {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Pipe pipe = make_pipe();
  const pid_t pid = start_child({.path = "/bin/sh",
                                 .arguments = {"sh", "-c", "grep SigBlk /proc/self/status"},
                                 .environment = {},
                                 .output = pipe.in.get()});
  pipe.in.reset();
  EXPECT_THAT(read_all(pipe.out.get(), "the child"), HasSubstr("0000000000000000"));
  status_of(pid);
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int number = 1; number < SIGRTMAX; ++number)
    EXPECT_EQ(::sigismember(&before, number), ::sigismember(&after, number)) << number;
}

// The pipe's end tells it: it stays open as long as the child has it.
TEST(StartChild, EndsWithAParentThatIsKilled) {
  Pipe pipe = make_pipe();
  const pid_t parent = ::fork();
  if (parent == 0) {
    start_child({.path = "/bin/sh",
                 .arguments = {"sh", "-c", "echo up; exec sleep 600"},
                 .environment = {},
                 .output = pipe.in.get()});
    ::pause();
  }
  pipe.in.reset();
  std::array<char, 3> word{};
  ASSERT_EQ(::read(pipe.out.get(), word.data(), word.size()), 3);
  ::kill(parent, SIGKILL);
  status_of(parent);
  EXPECT_EQ(read_all(pipe.out.get(), "the child"), "");
}

TEST(StartChild, IsNotEndedByAnotherThreadThatEnds) {
  Pipe pipe = make_pipe();
  const pid_t pid = start_child({.path = "/bin/cat", .arguments = {"cat"}, .environment = {}, .input = pipe.out.get()});
  std::thread([] {}).join();
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), 0);
  pipe.in.reset();
  EXPECT_EQ(status_of(pid), 0);
}

}  // namespace
}  // namespace barewire
