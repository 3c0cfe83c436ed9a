// SPDX-License-Identifier: Apache-2.0
/// Running another program, where a user asks for what only it can do: iptables.cc and tap's SELinux label.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace barewire::standard {

struct CommandAnswer {
  int status = 0;     ///< as wait(2) tells
  std::string words;  ///< of stdout and stderr
};

/// The path of `name` in PATH, /usr/sbin or /sbin.
std::optional<std::string> find_command(const std::string& name);
/// Runs `program` to its end in the caller's netns. Throws Error{io} when it cannot be started.
CommandAnswer run_command(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace barewire::standard
