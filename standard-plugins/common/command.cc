// SPDX-License-Identifier: Apache-2.0
// Programs are run without a shell: arguments come from configurations.
#include "standard-plugins/common/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "core/child.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/trace.h"

namespace barewire::standard {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostWords = 16 << 20;  ///< bytes

/// What is said until the other end closes; false when that takes too long, or there is no end of it.
bool read_words(int fd, const std::string& program, std::string& words) {
  const auto deadline = Clock::now() + kCommandTimeout;
  std::array<char, 4096> buffer{};
  while (words.size() < kMostWords) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = left > 0 ? ::poll(&readable, 1, static_cast<int>(left)) : 0;
    if (ready == 0) return false;
    const ssize_t got = ready < 0 ? -1 : ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw sys_error("reading the output of {}", program);
    if (got == 0) return true;
    words.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return false;
}

/// Kills and reaps a child that nobody waits for any more, whatever is thrown meanwhile.
class Child {
 public:
  Child(pid_t pid, const std::string& program) : pid_(pid), program_(program) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
      if (errno != EINTR) throw sys_error("waiting for {}", program_);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
  const std::string& program_;
};

/// A file in memory: a child that reads nothing does no harm, which a pipe that is full would.
Fd file_of(const std::string& input, const std::string& program) {
  Fd file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) throw sys_error("making the input of {}", program);
  write_all(file.get(), input, "the input of " + program);
  if (::lseek(file.get(), 0, SEEK_SET) < 0) throw sys_error("rewinding the input of {}", program);
  return file;
}

}  // namespace

bool CommandAnswer::exited_with(int code) const noexcept {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

std::string CommandAnswer::text() const {
  const std::string end = WIFSIGNALED(status) ? fmt::format("was killed by signal {}", WTERMSIG(status))
                                              : fmt::format("exited with status {}", WEXITSTATUS(status));
  const auto last = words.find_last_not_of(" \n");
  return last == std::string::npos ? end : fmt::format("{}: {}", end, words.substr(0, last + 1));
}

std::optional<std::string> find_command(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  std::vector<std::string> directories;
  while (!rest.empty()) {
    directories.emplace_back(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), directories.back().size() + 1));
  }
  // Where iptables is; runtimes start plugins with a PATH of their own, often without these.
  for (const char* directory : {"/usr/sbin", "/sbin"}) directories.emplace_back(directory);
  for (const std::string& directory : directories) {
    const std::string candidate = fmt::format("{}/{}", directory, name);
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

CommandAnswer run_command(const std::string& program, const std::vector<std::string>& arguments,
                          const std::optional<std::string>& input) {
  trace::Span span("command", program.substr(program.rfind('/') + 1));
  const Fd input_file = input ? file_of(*input, program) : Fd();
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw sys_error("creating a pipe for {}", program);
  const Fd output(ends[0]);
  Fd child_output(ends[1]);
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  // Both into one: what a command prints on its way to failing is the reason that a message shows.
  Child child(start_child({.path = program,
                           .arguments = std::move(words),
                           .environment = own_environment(),
                           .input = input_file.get(),
                           .output = child_output.get(),
                           .errors = child_output.get()}),
              program);
  // Our copy of the writing end: while it is open the reading finds no end.
  child_output.reset();
  CommandAnswer answer;
  // A command that hangs (a lock that nobody gives back) must not hold the attachment's lock for ever.
  if (!read_words(output.get(), program, answer.words)) child.kill();
  answer.status = child.wait();
  return answer;
}

}  // namespace barewire::standard
