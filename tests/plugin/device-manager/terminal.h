// SPDX-License-Identifier: Apache-2.0
/// An interactive bash on a pseudo-terminal, with the built programs first on PATH: what an admin types and sees.
#pragma once

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "core/fd.h"
#include "tests/plugin/device-manager/admin_fixture.h"

namespace barewire::test {

class Terminal {
 public:
  Terminal() {
    const std::string program = built_program("barewire");
    const std::string path = program.substr(0, program.rfind('/')) + ":" + std::getenv("PATH");
    const winsize size{.ws_row = 50, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
    int master = -1;
    pid_ = ::forkpty(&master, nullptr, nullptr, &size);
    if (pid_ < 0) throw sys_error("opening a terminal");
    if (pid_ == 0) be_bash(path.c_str());
    master_ = Fd(master);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  static constexpr const char* kPrompt = "ready> ";

  /// Types `keys`; what has appeared since, up to and with `until`, or everything within 20 s.
  std::string type(const std::string& keys, const std::string& until = kPrompt) {
    write_all(master_.get(), keys, "the terminal");
    return see(until);
  }
  std::string see(const std::string& until) {
    std::string seen;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (seen.find(until) == std::string::npos && std::chrono::steady_clock::now() < end) {
      pollfd readable{.fd = master_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&readable, 1, 100) <= 0) continue;
      std::array<char, 4096> buffer{};
      const ssize_t size = ::read(master_.get(), buffer.data(), buffer.size());
      if (size <= 0) break;
      seen.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return seen;
  }
  /// A fresh prompt in place of a line half typed; no signal, which would throw away what is typed next.
  void give_up_line() { type("\x15\n"); }

 private:
  [[noreturn]] static void be_bash(const char* path) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setenv("PATH", path, 1);
    ::setenv("PS1", kPrompt, 1);
    ::setenv("TERM", "dumb", 1);  // so that bash itself sends no escapes
    ::setenv("INPUTRC", "/dev/null", 1);
    ::unsetenv("NO_COLOR");
    ::execlp("bash", "bash", "--norc", "--noprofile", "-i", nullptr);
    ::_exit(127);
  }

  pid_t pid_ = -1;
  Fd master_;
};

}  // namespace barewire::test
