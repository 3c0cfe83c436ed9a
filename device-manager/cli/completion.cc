// SPDX-License-Identifier: Apache-2.0
// Scripts are made from the commands themselves, so that a new option cannot be forgotten.
#include "device-manager/cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace barewire::cli {
namespace {

/// The first line, without what a shell's quoting could stumble over.
std::string help_line(const std::string& help) {
  std::string line = help.substr(0, help.find('\n'));
  std::erase_if(line, [](char c) { return c == '\'' || c == '"' || c == '`' || c == '\\' || c == '$'; });
  return line;
}

/// IsMember describes itself as "{a,b,c}" in the option's type name.
std::vector<std::string> choices_of(const std::string& type_name) {
  std::vector<std::string> choices;
  const std::size_t open = type_name.find('{');
  const std::size_t close = type_name.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::size_t from = open + 1;
  while (from < close) {
    const std::size_t end = std::min(type_name.find(',', from), close);
    choices.push_back(type_name.substr(from, end - from));
    from = end + 1;
  }
  return choices;
}

Completable describe(const CLI::Option& option) {
  // Of CLI11's own description, the one place where an option says what it takes.
  Completable word;
  if (!option.get_lnames().empty()) word.name = "--" + option.get_lnames().front();
  for (const std::string& letter : option.get_snames()) word.aliases.push_back("-" + letter);
  word.help = help_line(option.get_description());
  word.takes_value = option.get_items_expected_max() > 0;
  word.repeatable = option.get_items_expected_max() > 1;
  const std::string type = option.get_type_name();
  word.choices = choices_of(type);
  if (word.choices.empty()) word.kind = type.substr(0, type.find(':'));
  return word;
}

std::vector<std::string> names_of(const Completable& word) {
  std::vector<std::string> names = word.aliases;
  names.insert(names.begin(), word.name);
  return names;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

bool is_asked_of_the_node(const std::string& kind) {
  constexpr std::array<std::string_view, 6> kKinds = {"PF", "DEVICE", "VF", "NETWORK", "POD", "CONTAINER"};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

std::string bash_values(const Completable& word) {
  if (!word.choices.empty()) return fmt::format("compgen -W '{}' -- \"$current\"", join(word.choices, " "));
  if (word.kind == "FILE") return "compgen -f -- \"$current\"";
  if (is_asked_of_the_node(word.kind)) {
    // Errors are thrown away: they would be written into the line that is being typed.
    return fmt::format("compgen -W \"$(barewire complete-words {} 2>/dev/null)\" -- \"$current\"", word.kind);
  }
  return "true";
}

std::string bash_option_cases(const std::vector<CommandWords>& commands) {
  std::string cases;
  for (const CommandWords& command : commands) {
    for (const Completable& option : command.options) {
      if (!option.takes_value) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : names_of(option)) patterns.push_back(command.name + ":" + name);
      cases += fmt::format("    {}) values=$({}) ;;\n", join(patterns, "|"), bash_values(option));
    }
  }
  return cases;
}

std::string bash_command_cases(const std::vector<CommandWords>& commands) {
  std::string cases;
  for (const CommandWords& command : commands) {
    std::vector<std::string> options;
    for (const Completable& option : command.options) options.push_back(option.name);
    std::string values = fmt::format("compgen -W '{}' -- \"$current\"", join(options, " "));
    bool files = false;
    for (const Completable& argument : command.arguments) {
      values += "; " + bash_values(argument);
      files = files || argument.kind == "FILE";
    }
    // Lets bash quote blanks and go on into directories.
    const std::string_view as_files = files ? "; compopt -o filenames 2> /dev/null" : "";
    cases += fmt::format("    {}) values=$({}){} ;;\n", command.name, values, as_files);
  }
  return cases;
}

std::string zsh_text(std::string text) {
  // _arguments takes brackets for a description and colons for a separator. Source: zshcompsys(1).
  for (const std::string special : {"[", "]", ":"}) {
    for (std::size_t at = 0; (at = text.find(special, at)) != std::string::npos; at += 2) text.insert(at, "\\");
  }
  return text;
}

std::string zsh_values(const Completable& word) {
  const std::string label = zsh_text(word.kind.empty() ? "value" : word.kind);
  if (!word.choices.empty()) return fmt::format(":{}:({})", label, join(word.choices, " "));
  if (word.kind == "FILE") return fmt::format(":{}:_files", label);
  if (is_asked_of_the_node(word.kind)) return fmt::format(":{0}:{{_barewire_words {0}}}", label);
  return fmt::format(":{}: ", label);
}

std::string zsh_option(const Completable& option) {
  const auto names = names_of(option);
  // '*' lets it come again; else its other spellings exclude it once it is there. Source: zshcompsys(1), _arguments.
  std::string spec = option.repeatable ? "'*'" : names.size() > 1 ? fmt::format("'({})'", join(names, " ")) : "";
  spec += names.size() > 1 ? fmt::format("{{{}}}", join(names, ",")) : names.front();
  return spec + fmt::format("'[{}]{}'", zsh_text(option.help), option.takes_value ? zsh_values(option) : "");
}

std::string fish_values(const Completable& word) {
  if (!word.choices.empty()) return fmt::format(" -x -a '{}'", join(word.choices, " "));
  // The script forbids files for every command first (-f), and -F allows them again. Source: fish, complete(1).
  if (word.kind == "FILE") return " -r -F";
  if (is_asked_of_the_node(word.kind))
    return fmt::format(" -x -a '(barewire complete-words {} 2>/dev/null)'", word.kind);
  return " -x";
}

}  // namespace

std::vector<CommandWords> words_of(const CLI::App& app) {
  std::vector<CommandWords> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    // CLI11 hides what has no group.
    if (command->get_group().empty()) continue;  // hidden
    CommandWords words{command->get_name(), help_line(command->get_description()), {}, {}};
    for (const CLI::Option* option : command->get_options()) {
      (option->get_positional() ? words.arguments : words.options).push_back(describe(*option));
    }
    commands.push_back(std::move(words));
  }
  return commands;
}

// A PCI address holds colons, at which bash breaks words: the line is split here at blanks alone, and what bash takes
// for an earlier word is cut from the answers.
std::string bash_completion(const CLI::App& app) {
  const auto commands = words_of(app);
  std::vector<std::string> names;
  for (const CommandWords& command : commands) names.push_back(command.name);
  return fmt::format(R"(# bash completion for barewire, written by `barewire completion bash`
_barewire() {{
  local line=${{COMP_LINE:0:COMP_POINT}} command= values= word
  local current=${{line##*[[:space:]]}}
  local -a words
  read -ra words <<< "${{line%"$current"}}"
  local previous=${{words[${{#words[@]}}-1]}}
  for word in "${{words[@]:1}}"; do
    case $word in {0}) command=$word; break ;; esac
  done
  case $command:$previous in
{2}    *) case $command in
{3}    *) values=$(compgen -W '{1} --help --version' -- "$current") ;;
    esac ;;
  esac
  COMPREPLY=()
  [[ -z $values ]] || mapfile -t COMPREPLY <<< "$values"
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    local before=${{current%"${{current##*:}}"}}
    COMPREPLY=("${{COMPREPLY[@]#"$before"}}")
  fi
}}
complete -F _barewire barewire
)",
                     join(names, "|"), join(names, " "), bash_option_cases(commands), bash_command_cases(commands));
}

std::string zsh_completion(const CLI::App& app) {
  std::string list, cases;
  for (const CommandWords& command : words_of(app)) {
    list += fmt::format("    '{}:{}'\n", command.name, zsh_text(command.help));
    cases += fmt::format("    {}) _arguments", command.name);
    for (const Completable& option : command.options) cases += " \\\n      " + zsh_option(option);
    for (const Completable& argument : command.arguments) cases += fmt::format(" \\\n      '{}'", zsh_values(argument));
    cases += " ;;\n";
  }
  return fmt::format(R"zsh(#compdef barewire
# zsh completion for barewire, written by `barewire completion zsh`
_barewire_words() {{ compadd -- ${{(f)"$(barewire complete-words $1 2>/dev/null)"}} }}
_barewire() {{
  local -a commands
  commands=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
compdef _barewire barewire
)zsh",
                     list, cases);
}

std::string fish_completion(const CLI::App& app) {
  std::string text = "# fish completion for barewire, written by `barewire completion fish`\ncomplete -c barewire -f\n";
  for (const CommandWords& command : words_of(app)) {
    text += fmt::format("complete -c barewire -n __fish_use_subcommand -a {} -d '{}'\n", command.name, command.help);
    const std::string when = fmt::format("complete -c barewire -n '__fish_seen_subcommand_from {}'", command.name);
    for (const Completable& option : command.options) {
      text += when + " -l " + option.name.substr(2);
      for (const std::string& alias : option.aliases) text += " -s " + alias.substr(1);
      text += fmt::format("{} -d '{}'\n", option.takes_value ? fish_values(option) : "", option.help);
    }
    for (const Completable& argument : command.arguments) text += when + fish_values(argument) + "\n";
  }
  return text;
}

}  // namespace barewire::cli
