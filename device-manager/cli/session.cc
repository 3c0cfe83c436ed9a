// SPDX-License-Identifier: Apache-2.0
// What every command needs: where it prints, what its exit status will be, and which errors mean that nothing was
// touched.
#include "device-manager/cli/session.h"

#include <unistd.h>

#include "core/fd.h"
#include "device-manager/snapshot_json.h"

namespace barewire::cli {

void Session::print(std::string_view text) const {
  write_all(STDOUT_FILENO, text, "standard output");
}

void Session::print_json(const boost::json::value& value) const {
  print(manager::pretty(value));
}

std::string read_input(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, "standard input");
  auto bytes = read_file(path);
  if (!bytes) throw Error(Error::Code::io, fmt::format("there is no file {}", path), "- reads standard input");
  return std::move(*bytes);
}

std::string error_text(const Error& error) {
  std::string text = fmt::format("barewire: {}\n", printable(error.what()));
  if (!error.hint().empty()) text += fmt::format("          {}\n", printable(error.hint()));
  return text;
}

Exit exit_of(const Error& error) {
  // These four are thrown before anything is changed. Everything else may have been interrupted half-way.
  for (const Error::Code code :
       {Error::Code::held, Error::Code::unsupported_by_nic, Error::Code::config, Error::Code::environment}) {
    if (error.is(code)) return Exit::refused;
  }
  return Exit::failed;
}

void add_holder_options(CLI::App& command, manager::Filter& filter) {
  command.add_option("--network", filter.networks, "Only what this network holds (repeatable)")
      ->type_name("NETWORK")
      ->delimiter(',');
  command.add_option("--pod", filter.pods, "Only what this pod holds: NAME or NAMESPACE/NAME (repeatable)")
      ->type_name("POD")
      ->delimiter(',');
  command.add_option("--container", filter.containers, "Only what containers hold whose ID begins so (repeatable)")
      ->type_name("CONTAINER")
      ->delimiter(',');
}

}  // namespace barewire::cli
