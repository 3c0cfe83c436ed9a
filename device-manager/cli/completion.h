// SPDX-License-Identifier: Apache-2.0
/// Shell completion, written from the very command line that `barewire` parses, so that it is never behind it.
/// `barewire completion SHELL` prints the script.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace barewire::cli {

/// What may follow on the command line.
struct Completable {
  std::string name;                  ///< "--output"; empty for a positional argument
  std::vector<std::string> aliases;  ///< "-o"
  std::string help;
  bool takes_value = false;
  bool repeatable = false;
  std::vector<std::string> choices;  ///< the only values there are
  /// Else what the value is, as the option's type name has it: "PF", "PCI", "FILE", "NETWORK", …
  std::string kind;
};
/// One subcommand as a script has to know it.
struct CommandWords {
  std::string name;
  std::string help;
  std::vector<Completable> options;
  std::vector<Completable> arguments;
};
/// Every subcommand that help shows, in order, with its options.
std::vector<CommandWords> words_of(const CLI::App& app);

/// A script for the shell. Values of kinds that the node knows (PF, PCI, …) are asked of `barewire complete-words
/// KIND`. Whole, as the shell's package would install it; names of this node are not in it.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

}  // namespace barewire::cli
