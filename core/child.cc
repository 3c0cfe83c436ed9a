// SPDX-License-Identifier: Apache-2.0
// posix_spawn cannot ask for the signal that a child gets at its parent's death, so this is what posix_spawn does, with
// that one call more.
#include "core/child.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/error.h"

namespace barewire {
namespace {

/// As execve wants it; points into `words`.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// No signal reaches this thread while it exists: a handler would run in the child, in its parent's memory.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;
  ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

struct Prepared {
  const char* path;
  char* const* arguments;
  char* const* environment;
  std::pair<int, int> descriptors[3];
  const sigset_t* signals;
  pid_t parent;
};

/// The child, in its parent's memory until execve: system calls alone, no allocation. Returns why it failed (errno).
int become(const Prepared& prepared) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return errno;
  // It may have died before it could be asked for: then nobody is left to tell.
  if (::getppid() != prepared.parent) ::_exit(127);
  for (const auto& [from, to] : prepared.descriptors)
    if (from >= 0 && ::dup2(from, to) < 0) return errno;
  ::pthread_sigmask(SIG_SETMASK, prepared.signals, nullptr);
  ::execve(prepared.path, prepared.arguments, prepared.environment);
  return errno;
}

/// 0, or errno; the child's id in `pid`.
int spawn(const Prepared& prepared, pid_t& pid) {
  volatile int failure = 0;  // the child writes it
  // NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): fork copies the page tables of all of the program
  pid = ::vfork();
  if (pid < 0) return errno;
  if (pid == 0) {
    failure = become(prepared);
    ::_exit(127);
  }
  return failure;
}

}  // namespace

pid_t start_child(const Program& program) {
  std::vector<std::string> arguments = program.arguments;
  std::vector<std::string> environment = program.environment;
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(environment);
  pid_t pid = -1;
  int failure = 0;
  {
    const NoSignals quiet;
    failure = spawn({.path = program.path.c_str(),
                     .arguments = argv.data(),
                     .environment = envp.data(),
                     .descriptors = {{program.input, STDIN_FILENO},
                                     {program.output, STDOUT_FILENO},
                                     {program.errors, STDERR_FILENO}},
                     .signals = &quiet.before(),
                     .parent = ::getpid()},
                    pid);
  }
  if (failure == 0) return pid;
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  throw errno_error(failure, fmt::format("executing {}", program.path), Error::Code::delegate);
}

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

}  // namespace barewire
