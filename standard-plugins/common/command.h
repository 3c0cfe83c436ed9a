// SPDX-License-Identifier: Apache-2.0
/// Running another program, where a user asks for what only it can do: iptables.cc, firewalld and tap's SELinux label.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace barewire::standard {

struct CommandAnswer {
  int status = 0;     ///< as wait(2) tells
  std::string words;  ///< of stdout and stderr

  bool succeeded() const noexcept { return status == 0; }
  /// False for every code when it was killed: what it would have said nobody knows.
  bool exited_with(int code) const noexcept;
  /// "exited with status 4", "was killed by signal 9", and its words.
  std::string text() const;
};

/// A command that hangs must not hold a call's locks for ever.
inline constexpr std::chrono::seconds kCommandTimeout{60};

/// The path of `name` in PATH, /usr/sbin or /sbin: runtimes give plugins a PATH without the latter. nullopt when it is
/// in none.
std::optional<std::string> find_command(const std::string& name);
/// Runs `program` to its end in the caller's netns; one that takes longer than kCommandTimeout or says more than 16 MiB
/// is killed. `input` is what it reads from stdin; without one it has the caller's. Throws Error{io} when it cannot be
/// started.
CommandAnswer run_command(const std::string& program, const std::vector<std::string>& arguments,
                          const std::optional<std::string>& input = std::nullopt);

}  // namespace barewire::standard
