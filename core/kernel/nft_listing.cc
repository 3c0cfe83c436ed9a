// SPDX-License-Identifier: Apache-2.0
// Dumps of whole sets and chains, for garbage collection and for what other programs have made. Answers of nf_tables
// are in network byte order, and in host order where a rule's author has written user data.
#include "core/kernel/nft_listing.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>

#include "core/kernel/attributes.h"

namespace barewire::kernel::nft {

namespace {

/// Of the iptables command: the match holds the text, padded with NULs. Source: linux/netfilter/xt_comment.h.
void read_match(ListedRule& rule, const NlAttributes& match) {
  if (match.text(NFTA_MATCH_NAME) != "comment") return;
  const std::string_view text = match.bytes(NFTA_MATCH_INFO);
  rule.comment = std::string(text.substr(0, text.find('\0')));
}

void read_verdict(ListedRule& rule, const NlAttributes& immediate) {
  const NlAttributes verdict = immediate.nest(NFTA_IMMEDIATE_DATA).nest(NFTA_DATA_VERDICT);
  if (verdict.has(NFTA_VERDICT_CHAIN)) rule.jump = verdict.text(NFTA_VERDICT_CHAIN);
}

ListedRule parse_rule(const nlmsghdr& header) {
  const NlAttributes attributes(header, sizeof(nfgenmsg));
  ListedRule rule;
  rule.handle = be64toh(attributes.value_or<std::uint64_t>(NFTA_RULE_HANDLE, 0));
  rule.comment = comment_of(attributes.bytes(NFTA_RULE_USERDATA));
  attributes.nest(NFTA_RULE_EXPRESSIONS).each([&](const nlattr& one) {
    const NlAttributes expression(&one);
    const std::string name = expression.text(NFTA_EXPR_NAME);
    if (name == "match") read_match(rule, expression.nest(NFTA_EXPR_DATA));
    if (name == "immediate") read_verdict(rule, expression.nest(NFTA_EXPR_DATA));
  });
  return rule;
}

}  // namespace

std::vector<ListedElement> list_elements(NlSocket& socket, const Table& table, const std::string& set) {
  NlMessage message = question(NFT_MSG_GETSETELEM, table);
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, table.name).put_string(NFTA_SET_ELEM_LIST_SET, set);
  std::vector<ListedElement> elements;
  const auto keep = [&](const nlmsghdr& header) {
    NlAttributes(header, sizeof(nfgenmsg)).nest(NFTA_SET_ELEM_LIST_ELEMENTS).each([&](const nlattr& one) {
      const NlAttributes element(&one);
      elements.push_back({std::string(element.nest(NFTA_SET_ELEM_KEY).bytes(NFTA_DATA_VALUE)),
                          comment_of(element.bytes(NFTA_SET_ELEM_USERDATA))});
    });
  };
  socket.dump(std::move(message), "listing nftables set " + set, keep, {ENOENT});
  return elements;
}

std::vector<ListedRule> list_rules(NlSocket& socket, const Table& table, const std::string& chain) {
  NlMessage message = question(NFT_MSG_GETRULE, table);
  message.put_string(NFTA_RULE_TABLE, table.name).put_string(NFTA_RULE_CHAIN, chain);
  std::vector<ListedRule> rules;
  const auto keep = [&](const nlmsghdr& header) {
    const NlAttributes attributes(header, sizeof(nfgenmsg));
    // Kernels that do not know the filter send every rule there is.
    if (attributes.text(NFTA_RULE_TABLE) == table.name && attributes.text(NFTA_RULE_CHAIN) == chain)
      rules.push_back(parse_rule(header));
  };
  socket.dump(std::move(message), "listing nftables chain " + chain, keep, {ENOENT});
  return rules;
}

std::vector<std::string> list_chains(NlSocket& socket, const Table& table) {
  std::vector<std::string> names;
  const auto keep = [&](const nlmsghdr& header) {
    const NlAttributes attributes(header, sizeof(nfgenmsg));
    if (attributes.text(NFTA_CHAIN_TABLE) == table.name) names.push_back(attributes.text(NFTA_CHAIN_NAME));
  };
  socket.dump(question(NFT_MSG_GETCHAIN, table), "listing nftables chains of " + table.name, keep, {ENOENT});
  return names;
}

NlSocket open_socket() {
  NlSocket socket(NETLINK_NETFILTER);
  // Each refused message of a batch is answered, and would be quoted: all of it has to fit.
  const int on = 1, room = 1 << 20;
  ::setsockopt(socket.fd(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);  // capped by net.core.rmem_max
  return socket;
}

}  // namespace barewire::kernel::nft
