// SPDX-License-Identifier: Apache-2.0
/// `dhcp daemon`: the part of the dhcp plugin that lives between calls.
#include <unistd.h>

#include "core/log.h"
#include "ipam/dhcp/server.h"
#include "ipam/plugins.h"

namespace barewire::ipam::dhcp {

namespace {

constexpr int kFailed = 1, kUsage = 2;

void complain(const Error& error) {
  const std::string hint = error.hint().empty() ? "" : "\n  " + error.hint();
  write_quietly(STDERR_FILENO, fmt::format("dhcp daemon: {}{}\n", error.what(), hint));
}

int serve(const DaemonOptions& options, const StopSignals& stop) {
  set_log(LogLevel::info);
  Server server(options, stop);
  // After the socket is there: who waits for this file finds a daemon that listens.
  if (!options.pid_file.empty())
    write_file_atomically(options.pid_file, std::to_string(::getpid()), Durability::until_reboot, 0644);
  server.run();
  if (!options.pid_file.empty()) remove_file(options.pid_file);
  return 0;
}

int run(std::span<char* const> arguments, const StopSignals& stop) {
  DaemonOptions options;
  try {
    options = DaemonOptions::parse(arguments);
  } catch (const Error& error) {
    complain(error);
    return kUsage;
  }
  if (!options.help) return serve(options, stop);
  write_all(STDOUT_FILENO, daemon_usage(), "stdout");
  return 0;
}

}  // namespace

bool is_daemon_call(int argc, char* const* argv) {
  if (argc < 2 || std::string_view(argv[1]) != "daemon") return false;
  // All plugins are one program: the word "daemon" alone may be an argument of another.
  const std::string_view program = argv[0];
  return program.substr(program.rfind('/') + 1) == "dhcp";
}

int daemon(int argc, char* const* argv) {
  try {
    // Before anything else: a signal that comes while leases are loaded is not lost.
    const StopSignals stop;
    return run(std::span(argv, static_cast<std::size_t>(argc)).subspan(2), stop);
  } catch (const Error& error) {
    complain(error);
  } catch (const std::exception& error) {
    complain(Error(Error::Code::internal, error.what()));
  }
  return kFailed;
}

}  // namespace barewire::ipam::dhcp
