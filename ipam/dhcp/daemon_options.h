// SPDX-License-Identifier: Apache-2.0
/// The command line of `dhcp daemon`, in the form of Go's flag package as users of the reference plugin write it:
/// -name value, -name=value, or with two dashes; durations as 10s, 1m30s, 500ms.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ipam/dhcp/client.h"

namespace barewire::ipam::dhcp {

/// Flags of the same names as the reference daemon's.
struct DaemonOptions {
  std::string pid_file{};     ///< empty: none
  std::string host_prefix{};  ///< where the host's root is, in a container
  std::string socket_path{};  ///< below the prefix
  Timing timing{};
  bool help = false;

  /// `arguments` are those after "daemon". Throws Error{environment} naming the flag.
  static DaemonOptions parse(std::span<char* const> arguments);
};

/// What --help prints.
std::string daemon_usage();

/// nullopt unless it is a duration of Go that is not negative. Source: the Go language's time.ParseDuration.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace barewire::ipam::dhcp
