// SPDX-License-Identifier: Apache-2.0
// The commands, not libiptc: which of the two backends a node uses is theirs to know.
#include "standard-plugins/common/iptables.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/state/lock_names.h"
#include "standard-plugins/common/command.h"
#include "standard-plugins/common/lifecycle.h"

namespace barewire::standard {

namespace {

/// -w waits for the lock of other iptables, 30 s: as long as a plugin waits for one of its own.
CommandAnswer execute(const std::string& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"-w", "30"});
  return run_command(program, arguments);
}

bool says(const CommandAnswer& answer, std::string_view words) {
  return answer.words.find(words) != std::string::npos;
}

/// The chain that the rule in `arguments` jumps to; empty without one.
std::string target_of(const std::vector<std::string>& arguments) {
  const auto jump = std::find(arguments.begin(), arguments.end(), "-j");
  return jump == arguments.end() || jump + 1 == arguments.end() ? "" : *(jump + 1);
}

/// Status 1 is also "cannot", 2 also "do not understand": only the words tell absence. A rule that jumps to a chain
/// which is not there is not there either; legacy iptables then looks for an extension of that name, none of which has
/// a dash. Source: iptables 1.8, libiptc/libiptc.c and iptables/nft.c (the texts of errors); iptables(8), DIAGNOSTICS.
bool is_absence(const CommandAnswer& answer, const std::vector<std::string>& arguments) {
  if (answer.exited_with(1))
    return says(answer, "does a matching rule exist in that chain") ||
           says(answer, "No chain/target/match by that name");
  const std::string target = target_of(arguments);
  if (!answer.exited_with(2) || target.empty()) return false;
  return says(answer, fmt::format("Chain '{}' does not exist", target)) ||
         (target.find('-') != std::string::npos && says(answer, fmt::format("Couldn't load target `{}'", target)));
}

std::vector<std::string> line(const std::string& table, const char* action, const std::string& chain,
                              const std::vector<std::string>& rule = {}) {
  std::vector<std::string> words = {"-t", table, action, chain};
  words.insert(words.end(), rule.begin(), rule.end());
  return words;
}

const char* command_name(bool v4) {
  return v4 ? "iptables" : "ip6tables";
}

}  // namespace

Iptables::Iptables(bool v4, std::string_view key) {
  const auto found = find_command(command_name(v4));
  if (!found)
    throw Error(
        Error::Code::config,
        fmt::format("config key \"{}\" is \"iptables\", but the {} command is not on this node", key, command_name(v4)),
        "install the iptables package, or leave the key out: nftables needs no command");
  program_ = *found;
}

bool Iptables::is_installed(bool v4) {
  return find_command(command_name(v4)).has_value();
}

void Iptables::run(const std::vector<std::string>& arguments) const {
  const CommandAnswer answer = execute(program_, arguments);
  if (!answer.succeeded())
    throw Error(Error::Code::kernel, fmt::format("running {} {} failed", program_, fmt::join(arguments, " ")),
                answer.text());
}

Look Iptables::ask(const std::vector<std::string>& arguments) const {
  const CommandAnswer answer = execute(program_, arguments);
  if (answer.succeeded()) return Look::yes();
  if (is_absence(answer, arguments)) return Look::no();
  return Look::unknown(fmt::format("{} {} {}", program_, fmt::join(arguments, " "), answer.text()));
}

void Iptables::ensure_chain(const std::string& table, const std::string& chain) const {
  const CommandAnswer answer = execute(program_, line(table, "-N", chain));
  // Another pod's ADD, or the reference plugin's, was faster.
  if (answer.succeeded() || (answer.exited_with(1) && says(answer, "Chain already exists"))) return;
  throw Error(Error::Code::kernel, fmt::format("making iptables chain {} in table {} failed", chain, table),
              answer.text());
}

bool Iptables::has_rule(const std::string& table, const std::string& chain,
                        const std::vector<std::string>& rule) const {
  return ask(line(table, "-C", chain, rule))
      .require(fmt::format("iptables chain {} has a rule", chain), Error::Code::kernel);
}

void Iptables::ensure_rule(const std::string& table, const std::string& chain, const std::vector<std::string>& rule,
                           bool first) const {
  // Under lock_iptables: between the question and the change no other plugin of ours comes in.
  if (!has_rule(table, chain, rule)) run(line(table, first ? "-I" : "-A", chain, rule));
}

void Iptables::remove_rule(const std::string& table, const std::string& chain,
                           const std::vector<std::string>& rule) const {
  if (has_rule(table, chain, rule)) run(line(table, "-D", chain, rule));
}

void Iptables::remove_chain(const std::string& table, const std::string& chain) const {
  // A chain with rules cannot be removed; -F is also the question whether it is there.
  const Look emptied = ask(line(table, "-F", chain));
  if (emptied.require(fmt::format("there is an iptables chain {}", chain), Error::Code::kernel))
    run(line(table, "-X", chain));
}

state::FileLock lock_iptables(const Node& node) {
  return store_of(node).lock(state::lock_name::iptables(), "the iptables rules of this node");
}

}  // namespace barewire::standard
