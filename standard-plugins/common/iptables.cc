// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/common/iptables.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "standard-plugins/common/command.h"

namespace barewire::standard {

namespace {

/// -w waits for the lock of other iptables.
CommandAnswer execute(const std::string& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "-w");
  return run_command(program, arguments);
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
  if (answer.status != 0)
    throw Error(Error::Code::kernel, fmt::format("running {} {} failed", program_, fmt::join(arguments, " ")),
                answer.words);
}

bool Iptables::try_run(const std::vector<std::string>& arguments) const {
  return execute(program_, arguments).status == 0;
}

void Iptables::ensure_chain(const std::string& table, const std::string& chain) const {
  if (try_run(line(table, "-N", chain))) return;
  run(line(table, "-L", chain));  // there already; anything else is said here
}

bool Iptables::has_rule(const std::string& table, const std::string& chain,
                        const std::vector<std::string>& rule) const {
  return try_run(line(table, "-C", chain, rule));
}

void Iptables::ensure_rule(const std::string& table, const std::string& chain, const std::vector<std::string>& rule,
                           bool first) const {
  if (!has_rule(table, chain, rule)) run(line(table, first ? "-I" : "-A", chain, rule));
}

void Iptables::remove_rule(const std::string& table, const std::string& chain,
                           const std::vector<std::string>& rule) const {
  if (has_rule(table, chain, rule)) run(line(table, "-D", chain, rule));
}

void Iptables::remove_chain(const std::string& table, const std::string& chain) const {
  if (!try_run(line(table, "-F", chain))) return;
  run(line(table, "-X", chain));
}

}  // namespace barewire::standard
