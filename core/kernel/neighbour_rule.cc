// SPDX-License-Identifier: Apache-2.0
// A rule that does other than lead to a table is none of ours, and is left out of what is listed.
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "core/kernel/address.h"
#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

fib_rule_hdr rule_header(const RuleInfo& rule) {
  fib_rule_hdr header{};
  header.family = static_cast<std::uint8_t>(rule.source ? rule.source->address.family() : rule.family);
  header.src_len = rule.source ? rule.source->length : std::uint8_t{0};
  // The header has 8 bits for the table; the attribute FRA_TABLE has all of it, and counts where both are given.
  header.table = rule.table < 256 ? static_cast<std::uint8_t>(rule.table) : std::uint8_t{RT_TABLE_UNSPEC};
  header.action = FR_ACT_TO_TBL;
  return header;
}

NlMessage rule_message(int type, int flags, const RuleInfo& rule) {
  NlMessage message(type, flags);
  message.header(rule_header(rule)).put_u32(FRA_TABLE, rule.table);
  if (rule.source) message.put(FRA_SRC, rule.source->address.data(), rule.source->address.size());
  if (rule.priority) message.put_u32(FRA_PRIORITY, *rule.priority);
  return message;
}

std::string describe(const RuleInfo& rule) {
  std::string text = "rule";
  if (rule.source) text += fmt::format(" from {}", rule.source->text());
  if (rule.priority) text += fmt::format(" priority {}", *rule.priority);
  return text + fmt::format(" to table {}", rule.table);
}

std::optional<RuleInfo> parse_rule(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(fib_rule_hdr)) return std::nullopt;
  fib_rule_hdr header{};
  std::memcpy(&header, nlmsg_data(&message), sizeof header);
  if (header.action != FR_ACT_TO_TBL) return std::nullopt;
  const NlAttributes attributes(message, sizeof header);
  RuleInfo rule;
  rule.family = header.family;
  const auto source = attributes.bytes(FRA_SRC);
  if (source.size() == 4 || source.size() == 16)
    rule.source = IpPrefix{IpAddress::from_bytes(source.data(), source.size()), header.src_len};
  rule.table = attributes.value_or<std::uint32_t>(FRA_TABLE, header.table);
  rule.priority = attributes.value_or<std::uint32_t>(FRA_PRIORITY, 0);  // the kernel leaves out a priority of 0
  return rule;
}

}  // namespace

void add_rule(NlSocket& socket, const RuleInfo& rule) {
  socket.request(rule_message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule), "adding " + describe(rule));
}

bool remove_rule(NlSocket& socket, const RuleInfo& rule) {
  return socket.request_unless(rule_message(RTM_DELRULE, 0, rule), "removing " + describe(rule), {ENOENT});
}

std::vector<RuleInfo> list_rules(NlSocket& socket, int family) {
  fib_rule_hdr header{};
  header.family = static_cast<std::uint8_t>(family);
  NlMessage message(RTM_GETRULE, 0);
  message.header(header);
  std::vector<RuleInfo> rules;
  socket.dump(std::move(message), "listing rules", [&](const nlmsghdr& answer) {
    if (const auto rule = parse_rule(answer)) rules.push_back(*rule);
  });
  return rules;
}

void set_neighbour(NlSocket& socket, int index, const IpAddress& address, const MacAddress& mac) {
  ndmsg header{};
  header.ndm_family = static_cast<std::uint8_t>(address.family());
  header.ndm_ifindex = index;
  // Permanent: no probe may replace it, and it does not age.
  header.ndm_state = NUD_PERMANENT;
  NlMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  message.header(header).put(NDA_DST, address.data(), address.size());
  message.put(NDA_LLADDR, mac.data(), mac.bytes().size());
  socket.request(std::move(message),
                 fmt::format("setting neighbour {} at {} on interface number {}", address.text(), mac.text(), index));
}

}  // namespace barewire::kernel
