// SPDX-License-Identifier: Apache-2.0
// Flags are read as Go's flag package reads them, since unit files written for the reference daemon are kept.
#include "ipam/dhcp/daemon_options.h"

#include <array>
#include <charconv>

#include "core/error.h"

namespace barewire::ipam::dhcp {

namespace {

using Options = DaemonOptions;
using std::chrono::milliseconds;

struct Flag {
  std::string_view name;
  std::string_view value;  ///< what it takes, for the usage; empty: a boolean
  std::string_view about;
  void (*set)(Options&, const std::string& flag, const std::string& value);
};

Error wrong(const std::string& flag, const std::string& value, std::string_view expected) {
  return Error(Error::Code::environment, fmt::format("flag -{} is \"{}\"; expected {}", flag, value, expected),
               "dhcp daemon -help");
}

std::string absolute(const std::string& flag, const std::string& value) {
  if (!value.empty() && value.front() != '/') throw wrong(flag, value, "an absolute path");
  return value;
}

milliseconds duration(const std::string& flag, const std::string& value) {
  const auto parsed = parse_duration(value);
  if (!parsed || parsed->count() == 0) throw wrong(flag, value, "a duration above zero, as 10s, 1m30s or 500ms");
  return *parsed;
}

bool boolean(const std::string& flag, const std::string& value) {
  for (const std::string_view word : {"1", "t", "T", "true", "TRUE", "True"})
    if (value == word) return true;
  for (const std::string_view word : {"0", "f", "F", "false", "FALSE", "False"})
    if (value == word) return false;
  throw wrong(flag, value, "true or false");
}

constexpr std::array kFlags = {
    Flag{"pidfile", "path", "write the daemon's PID to this file",
         [](Options& o, const std::string& f, const std::string& v) { o.pid_file = absolute(f, v); }},
    Flag{"hostprefix", "path", "where the host's root directory is, when the daemon runs in a container",
         [](Options& o, const std::string& f, const std::string& v) { o.host_prefix = absolute(f, v); }},
    Flag{"socketpath", "path", "socket to listen on, below the host prefix (/run/cni/dhcp.sock)",
         [](Options& o, const std::string& f, const std::string& v) { o.socket_path = absolute(f, v); }},
    Flag{"broadcast", "", "ask servers to broadcast their answers",
         [](Options& o, const std::string& f, const std::string& v) { o.timing.broadcast = boolean(f, v); }},
    Flag{"timeout", "duration", "how long to wait for a server that made an offer or granted the lease (10s)",
         [](Options& o, const std::string& f, const std::string& v) { o.timing.timeout = duration(f, v); }},
    Flag{"resendmax", "duration", "the longest pause between two requests for a new lease (1m2s)",
         [](Options& o, const std::string& f, const std::string& v) { o.timing.resend_max = duration(f, v); }},
    Flag{"resendtimeout", "duration", "when to give a new lease up (3m28s)",
         [](Options& o, const std::string& f, const std::string& v) { o.timing.resend_timeout = duration(f, v); }},
};

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : kFlags)
    if (flag.name == name) return &flag;
  return nullptr;
}

/// "name" and, behind '=', its value.
std::pair<std::string, std::optional<std::string>> split(std::string_view argument) {
  // Go's flag package takes one dash or two.
  const std::size_t dashes = argument.starts_with("--") ? 2 : argument.starts_with("-") ? 1 : 0;
  if (dashes == 0 || argument.size() == dashes)
    throw Error(Error::Code::environment, fmt::format("argument \"{}\" is no flag", argument), "dhcp daemon -help");
  argument.remove_prefix(dashes);
  const auto equals = argument.find('=');
  if (equals == std::string_view::npos) return {std::string(argument), std::nullopt};
  return {std::string(argument.substr(0, equals)), std::string(argument.substr(equals + 1))};
}

/// One number with its unit; moves `text` past it.
std::optional<milliseconds> parse_part(std::string_view& text) {
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (failure != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  struct Unit {
    std::string_view name;
    double milliseconds;
  };
  // The most is thirty years, for the clock, which counts nanoseconds, ends after 292.
  constexpr double kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kMost = 1e12;
  // Longer names before what they begin with: "ms" would be minutes.
  for (const Unit& unit :
       {Unit{"ms", 1}, Unit{"us", 1e-3}, Unit{"ns", 1e-6}, Unit{"s", kSecond}, Unit{"m", kMinute}, Unit{"h", kHour}}) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    const double total = number * unit.milliseconds;
    return total < kMost ? std::optional(milliseconds(static_cast<std::int64_t>(total))) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
  // The one number that Go takes without a unit.
  if (text == "0") return milliseconds(0);
  if (text.empty()) return std::nullopt;
  milliseconds sum{0};
  while (!text.empty()) {
    const auto part = parse_part(text);
    if (!part) return std::nullopt;
    sum += *part;
  }
  return sum;
}

DaemonOptions DaemonOptions::parse(std::span<char* const> arguments) {
  DaemonOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto [name, value] = split(arguments[i]);
    if (name == "h" || name == "help") {
      options.help = true;
      return options;
    }
    const Flag* flag = find_flag(name);
    if (flag == nullptr)
      throw Error(Error::Code::environment, fmt::format("flag -{} is not known", name), "dhcp daemon -help");
    // A boolean takes its value behind '=' alone.
    if (!value && flag->value.empty()) value = "true";
    if (!value && ++i == arguments.size())
      throw Error(Error::Code::environment, fmt::format("flag -{} needs a {}", name, flag->value), "dhcp daemon -help");
    flag->set(options, name, value ? *value : arguments[i]);
  }
  return options;
}

std::string daemon_usage() {
  std::string text =
      "Usage: dhcp daemon [flags]\n\nKeeps the leases of pods whose \"ipam\" is of type \"dhcp\". Leases survive its "
      "restart.\nTakes its socket from systemd where it is handed one (cni-dhcp.socket).\n\n";
  for (const Flag& flag : kFlags)
    text += fmt::format("  -{:<22} {}\n", fmt::format("{} {}", flag.name, flag.value), flag.about);
  return text + "\nExit status: 0 stopped as asked; 1 failed; 2 wrong command line.\n";
}

}  // namespace barewire::ipam::dhcp
