// SPDX-License-Identifier: Apache-2.0
/// `barewire`, the admin's command: parses the command line, runs one subcommand, turns errors into text and a status.
#include <unistd.h>

#include <iostream>

#include "core/cni/known_keys.h"
#include "core/journal.h"
#include "device-manager/cli/session.h"
#include "packaging/plugin_table.h"

namespace barewire::cli {
namespace {

/// ` (did you mean "list"?)`, or nothing.
std::string suggestion(const CLI::App& app, const std::string& word) {
  std::vector<std::string_view> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  const auto meant = cni::meant_by(word, names);
  return meant ? fmt::format("; is \"{}\" meant?", *meant) : "";
}

/// CLI11 throws for --help and --version too.
int report(const CLI::App& app, const CLI::ParseError& outcome) {
  // CLI11's own numbers are not shown: every wrong command line is 2 (Exit::usage).
  if (outcome.get_exit_code() == 0) return app.exit(outcome);
  // CLI11 calls a command that it does not know a surplus argument: that is said better here.
  const auto chosen = app.get_subcommands();
  const auto rest = app.remaining();
  if (chosen.empty() && !rest.empty() && !rest.front().starts_with('-'))
    std::cerr << "barewire: there is no command " << printable(rest.front()) << suggestion(app, rest.front()) << '\n';
  else
    std::cerr << "barewire: " << outcome.what() << '\n';
  std::cerr << "          try `barewire " << (chosen.empty() ? "" : chosen.front()->get_name() + " ") << "--help`\n";
  return static_cast<int>(Exit::usage);
}

int run(int argc, char** argv) {
  const cni::PluginTable plugins = plugin_table();
  // All plugins are in this program too: `check`, `gc` and `repair` call them without a binary of theirs being
  // installed.
  Session session{.node = {.plugins = &plugins}, .terminal = Terminal::of(STDOUT_FILENO)};
  journal::record_in(session.node.cni_state_dir + journal::kBelow);
  const auto app = make_app(session);
  if (argc == 1) {  // who types the name alone wants to know what there is
    std::cout << app->help();
    return static_cast<int>(Exit::ok);
  }
  try {
    app->parse(argc, argv);
    return static_cast<int>(session.exit);
  } catch (const CLI::ParseError& outcome) {
    return report(*app, outcome);
  } catch (const Error& error) {
    std::cerr << error_text(error);
    return static_cast<int>(exit_of(error));
  } catch (const std::exception& error) {
    std::cerr << "barewire: " << error.what() << '\n';
    return static_cast<int>(Exit::failed);
  }
}

}  // namespace
}  // namespace barewire::cli

int main(int argc, char** argv) {
  return barewire::cli::run(argc, argv);
}
