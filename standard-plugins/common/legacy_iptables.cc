// SPDX-License-Identifier: Apache-2.0
// Rules made by the older iptables (ip_tables) are not in nf_tables and can only be read through a command of that
// make. A node may have both at once: the one in use today, and what an earlier plugin left in the other.
#include "standard-plugins/common/legacy_iptables.h"

#include <fmt/format.h>

#include <sstream>

#include "core/error.h"
#include "core/fd.h"
#include "core/kernel/nftables.h"
#include "standard-plugins/common/command.h"

namespace barewire::standard {

namespace {

/// The command of the older make; where it has no name of its own, the plain one is it. `part`: "" or "-restore".
std::string program_of(bool v4, const char* part) {
  const char* name = v4 ? "iptables" : "ip6tables";
  for (const std::string& candidate : {fmt::format("{}-legacy{}", name, part), fmt::format("{}{}", name, part)})
    if (const auto found = find_command(candidate)) return *found;
  throw Error(Error::Code::kernel, fmt::format("reading the tables of {0} failed: there is no {0} command", name),
              "install the iptables package: rules of it are on this node");
}

}  // namespace

bool has_legacy_table(bool v4, const std::string& table) {
  // Tables that exist: asking by the command would create the table, and load its module.
  const auto names = read_file(v4 ? "/proc/self/net/ip_tables_names" : "/proc/self/net/ip6_tables_names");
  return names && ("\n" + *names).find("\n" + table + "\n") != std::string::npos;
}

bool may_have_iptables_chain(bool v4, const std::string& table, const std::string& chain) {
  if (has_legacy_table(v4, table)) return true;
  // iptables-nft keeps its tables in families ip and ip6, under the old names.
  kernel::NlSocket socket = kernel::nft::open_socket();
  return kernel::nft::chain_use(socket, {v4 ? kernel::nft::Family::ip : kernel::nft::Family::ip6, table}, chain)
      .has_value();
}

std::vector<std::string> list_legacy_chain(bool v4, const std::string& table, const std::string& chain) {
  if (!has_legacy_table(v4, table)) return {};
  const std::string program = program_of(v4, "");
  const CommandAnswer answer = run_command(program, {"-w", "30", "-t", table, "-S", chain});
  if (answer.exited_with(1)) return {};  // "No chain/target/match by that name"
  if (!answer.succeeded())
    throw Error(Error::Code::kernel, fmt::format("reading chain {} by {} failed", chain, program), answer.text());
  std::vector<std::string> lines;
  std::istringstream stream(answer.text());
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool has_legacy_chain(bool v4, const std::string& table, const std::string& chain) {
  return !list_legacy_chain(v4, table, chain).empty();
}

void remove_legacy_chain(bool v4, const std::string& table, const std::string& chain, const std::string& from) {
  if (!has_legacy_chain(v4, table, chain)) return;
  // Jumps and chain in one call: the kernel keeps a chain that is still jumped to, and a call takes or leaves all of
  // it.
  std::string input = fmt::format("*{}\n", table);
  for (const std::string& line : list_legacy_chain(v4, table, from))
    if (line.starts_with("-A ") && (line + " ").find(fmt::format(" -j {} ", chain)) != std::string::npos)
      // As `-S` wrote it, quotes and all: the restore command reads the same language.
      input += "-D " + line.substr(3) + "\n";
  input += fmt::format(":{0} - [0:0]\n-X {0}\nCOMMIT\n", chain);
  const std::string program = program_of(v4, "-restore");
  const CommandAnswer answer = run_command(program, {"--noflush", "-w", "30"}, input);
  if (!answer.succeeded())
    throw Error(Error::Code::kernel, fmt::format("removing chain {} by {} failed", chain, program), answer.text());
}

std::string unquoted_comment(const std::string& line) {
  constexpr std::string_view kOption = "--comment ";
  auto at = line.find(kOption);
  if (at == std::string::npos) return {};
  at += kOption.size();
  if (at >= line.size() || line[at] != '"') return line.substr(at, line.find(' ', at) - at);
  std::string text;
  for (++at; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) ++at;
    text.push_back(line[at]);
  }
  return text;
}

}  // namespace barewire::standard
