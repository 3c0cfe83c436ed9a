// SPDX-License-Identifier: Apache-2.0
/// Running one program from a test: what to run, what it left. Used by plugin_runner.h, netns_fixture.h and fault.h.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace barewire::test {

/// A program to run. The child inherits the calling thread's namespaces; it is killed when that thread ends.
struct Command {
  std::string program;                             ///< looked up on PATH unless it has a slash
  std::vector<std::string> arguments;              ///< without argv[0]
  std::optional<std::string> argv0;                ///< default: `program`
  std::map<std::string, std::string> environment;  ///< added to (over) this process's, CNI_* ones removed from it
  std::string stdin_bytes;
  std::string netns;                         ///< path; empty = the caller's
  std::chrono::milliseconds timeout{30000};  ///< then the child is killed by its pid
};

struct CommandResult {
  int exit_status = -1;  ///< 128+N when signal N ended it
  bool timed_out = false;
  std::string out;
  std::string err;
  bool ok() const noexcept { return exit_status == 0 && !timed_out; }
};

/// Runs `command` to its end. Throws Error when it cannot be started at all.
CommandResult run(const Command& command);
/// Runs `text` with sh -c.
CommandResult run_shell(const std::string& text, const std::string& netns = {});

/// A command started in the background: its streams are memory files, so nothing it prints can block it.
class ChildProcess {
 public:
  /// With `traced`, a program of seccomp(2), the child stops itself before exec for a ptrace tracer (fault.h), and then
  /// at the system calls that the program names.
  explicit ChildProcess(const Command& command, std::span<const sock_filter> traced = {});
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Kills what still runs.
  ~ChildProcess();

  pid_t pid() const noexcept { return pid_; }
  /// Waits until it ends or `timeout` passed (then it is killed). Once.
  CommandResult wait(std::chrono::milliseconds timeout);
  /// For a caller that reaped the child itself: its wait(2) status.
  CommandResult finish(int wait_status);
  void signal(int number) const;

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
};

/// A directory of this test alone, removed with all it holds.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  const std::string& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void write_text(const std::string& path, const std::string& text);

}  // namespace barewire::test
