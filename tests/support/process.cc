// SPDX-License-Identifier: Apache-2.0
#include "tests/support/process.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/fd.h"

extern char** environ;

namespace barewire::test {

namespace {

Fd memory_file(const char* name, const std::string& content = {}) {
  Fd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) throw sys_error("creating memory file {}", name);
  write_all(fd.get(), content, name);
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

/// `command`'s environment over this process's, less what a CNI runtime around the tests might have set.
std::vector<std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string::npos && !text.starts_with("CNI_"))
      merged[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [key, value] : command.environment) merged[key] = value;
  std::vector<std::string> lines;
  for (const auto& [key, value] : merged) lines.push_back(key + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// Everything the child needs, made before fork: between fork and exec only async-signal-safe calls are allowed.
struct Prepared {
  std::vector<std::string> argument_strings, environment_strings;
  std::vector<char*> arguments, environment;
  Fd in, out, err, netns;
  std::vector<sock_filter> traced;
};

Prepared prepare(const Command& command, std::span<const sock_filter> traced) {
  Prepared child;
  child.argument_strings.push_back(command.argv0.value_or(command.program));
  for (const auto& argument : command.arguments) child.argument_strings.push_back(argument);
  child.environment_strings = environment_of(command);
  child.arguments = pointers(child.argument_strings);
  child.environment = pointers(child.environment_strings);
  child.in = memory_file("stdin", command.stdin_bytes);
  child.out = memory_file("stdout");
  child.err = memory_file("stderr");
  if (!command.netns.empty()) child.netns = open_file(command.netns, O_RDONLY);
  child.traced.assign(traced.begin(), traced.end());
  return child;
}

/// Source: seccomp(2), ptrace(2) "PTRACE_EVENT_SECCOMP". The filter comes after the stop, at which the tracer declares
/// itself for it: without one the calls named would fail.
void await_tracer(std::vector<sock_filter>& filter) {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    ::_exit(126);
}

[[noreturn]] void run_child(const Command& command, Prepared& child) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (child.netns && ::setns(child.netns.get(), CLONE_NEWNET) != 0) ::_exit(126);
  ::dup2(child.in.get(), 0);
  ::dup2(child.out.get(), 1);
  ::dup2(child.err.get(), 2);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (!child.traced.empty()) await_tracer(child.traced);
  ::execvpe(command.program.c_str(), child.arguments.data(), child.environment.data());
  ::_exit(127);
}

std::string content_of(int fd) {
  ::lseek(fd, 0, SEEK_SET);
  return read_all(fd, "output");
}

}  // namespace

ChildProcess::ChildProcess(const Command& command, std::span<const sock_filter> traced) {
  Prepared child = prepare(command, traced);
  pid_ = ::fork();
  if (pid_ < 0) throw sys_error("starting {}", command.program);
  if (pid_ == 0) run_child(command, child);
  out_ = child.out.release();
  err_ = child.err.release();
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, __WALL);
  }
  if (out_ >= 0) ::close(out_);
  if (err_ >= 0) ::close(err_);
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

CommandResult ChildProcess::finish(int wait_status) {
  pid_ = -1;
  CommandResult result;
  result.exit_status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  result.out = content_of(out_);
  result.err = content_of(err_);
  return result;
}

CommandResult ChildProcess::wait(std::chrono::milliseconds timeout) {
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd) throw sys_error("watching process {}", pid_);
  pollfd watched{pidfd.get(), POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&watched, 1, static_cast<int>(timeout.count()));
  while (ready < 0 && errno == EINTR);
  if (ready == 0) ::kill(pid_, SIGKILL);
  int status = 0;
  if (::waitpid(pid_, &status, 0) < 0) throw sys_error("waiting for process {}", pid_);
  CommandResult result = finish(status);
  result.timed_out = ready == 0;
  return result;
}

CommandResult run(const Command& command) {
  // The lab's processor is emulated, beside whatever else the machine does: a module may take a minute to load there.
  constexpr int kLabFactor = 6;
  const int factor = std::getenv("BAREWIRE_LAB") != nullptr ? kLabFactor : 1;
  return ChildProcess(command).wait(command.timeout * factor);
}

CommandResult run_shell(const std::string& text, const std::string& netns) {
  return run({.program = "/bin/sh",
              .arguments = {"-c", text},
              .argv0 = {},
              .environment = {},
              .stdin_bytes = {},
              .netns = netns});
}

TempDir::TempDir() {
  std::string path = std::filesystem::temp_directory_path() / "barewire-test-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) throw sys_error("creating directory {}", path);
  path_ = path;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_text(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw sys_error("writing {}", path);
}

}  // namespace barewire::test
