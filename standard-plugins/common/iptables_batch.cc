// SPDX-License-Identifier: Apache-2.0
// iptables-restore takes many lines in one call and all of them or none: one process instead of ten, and no half of a
// pod's rules. --noflush leaves the rules of others alone.
#include "standard-plugins/common/iptables_batch.h"

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "standard-plugins/common/command.h"

namespace barewire::standard {

namespace {

/// One argument of a line. A line feed would begin another line.
std::string quoted(const std::string& word) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) || std::string_view("_./:,+=-").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string text = "\"";
  for (const char c : word) {
    if (std::iscntrl(static_cast<unsigned char>(c)))
      throw Error(Error::Code::config, "making an iptables rule failed: a word of it has a control character");
    if (c == '"' || c == '\\') text.push_back('\\');
    text.push_back(c);
  }
  return text + "\"";
}

}  // namespace

IptablesBatch::IptablesBatch(bool v4, std::string_view key, std::string table) : table_(std::move(table)) {
  const char* name = v4 ? "iptables-restore" : "ip6tables-restore";
  const auto found = find_command(name);
  if (!found)
    throw Error(Error::Code::config,
                fmt::format("config key \"{}\" needs iptables, but the {} command is not on this node", key, name),
                "install the iptables package, or give \"nftables\", which needs no command");
  program_ = *found;
}

IptablesBatch& IptablesBatch::line(std::string_view action, const std::string& chain, const Words& rule) {
  lines_ += fmt::format("{} {}", action, chain);
  for (const std::string& word : rule) lines_ += " " + quoted(word);
  lines_ += "\n";
  return *this;
}

IptablesBatch& IptablesBatch::require(const std::string& chain, const Words& rule) {
  return line("-C", chain, rule);
}
IptablesBatch& IptablesBatch::append(const std::string& chain, const Words& rule) {
  return line("-A", chain, rule);
}
IptablesBatch& IptablesBatch::remove(const std::string& chain, const Words& rule) {
  return line("-D", chain, rule);
}
IptablesBatch& IptablesBatch::remove_chain(const std::string& chain) {
  return line("-X", chain, {});
}
IptablesBatch& IptablesBatch::make_chain(const std::string& chain) {
  // Makes the chain, or empties it where it is there. Source: iptables-restore(8).
  lines_ += fmt::format(":{} - [0:0]\n", chain);
  return *this;
}

// 1: a rule or chain is not there. 2: nor the chain it jumps to. 3: not in this kernel. 4 with these words: a chain
// that is to go still has a rule that jumps to it. Source: iptables 1.8, xshared.h enum xtables_exittype; nft.c
// mnl_err_list_node.
bool IptablesBatch::try_commit() const {
  const std::string input = fmt::format("*{}\n{}COMMIT\n", table_, lines_);
  const CommandAnswer answer = run_command(program_, {"--noflush", "-w", "30"}, input);
  if (answer.succeeded()) return true;
  if (answer.exited_with(1) || answer.exited_with(2)) return false;
  if (answer.exited_with(4) && answer.words.find("CHAIN_DEL failed") != std::string::npos) return false;
  fail(answer);
}

void IptablesBatch::fail(const CommandAnswer& answer) const {
  const std::string what = fmt::format("running {} with \"{}\" failed", program_, lines_);
  if (answer.exited_with(3)) throw IptablesUnsupported(Error::Code::kernel, what, answer.text());
  throw Error(Error::Code::kernel, what, answer.text());
}

void IptablesBatch::commit() const {
  const std::string input = fmt::format("*{}\n{}COMMIT\n", table_, lines_);
  const CommandAnswer answer = run_command(program_, {"--noflush", "-w", "30"}, input);
  if (!answer.succeeded()) fail(answer);
}

bool has_iptables_commands() {
  for (const char* name : {"iptables", "ip6tables", "iptables-restore", "ip6tables-restore"})
    if (!find_command(name)) return false;
  return true;
}

std::string comment_text(std::string text) {
  constexpr std::size_t kLongest = 255;
  // XT_MAX_COMMENT_LEN is 256 with its NUL. Source: include/uapi/linux/netfilter/xt_comment.h.
  if (text.size() > kLongest) text.resize(kLongest);
  return text;
}

}  // namespace barewire::standard
