// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/portmap/conditions.h"

#include <linux/netfilter/nf_tables.h>

#include <sstream>

namespace barewire::standard {

namespace {

using kernel::nft::Rule;

/// The words one after another. A condition of nft may come as one string or as several.
class Words {
 public:
  explicit Words(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      std::istringstream parts(word);
      for (std::string part; parts >> part;) words_.push_back(part);
    }
  }
  bool at_end() const { return next_ == words_.size(); }
  std::string take() { return at_end() ? std::string() : words_[next_++]; }
  bool take_if(std::string_view word) {
    if (at_end() || words_[next_] != word) return false;
    ++next_;
    return true;
  }
  bool take_any(std::initializer_list<std::string_view> list) {
    for (const std::string_view word : list)
      if (take_if(word)) return true;
    return false;
  }

 private:
  std::vector<std::string> words_;
  std::size_t next_ = 0;
};

bool add_address(Rule& rule, bool v4, bool source, bool equal, const std::string& text) {
  auto prefix = IpPrefix::parse(text);
  if (const auto address = IpAddress::parse(text); !prefix && address)
    prefix = IpPrefix{*address, static_cast<std::uint8_t>(address->size() * 8)};
  if (!prefix || prefix->address.is_v4() != v4) return false;
  rule.address_in(*prefix, source, equal);
  return true;
}

/// A name that ends in `wildcard` stands for all that begin so.
bool add_interface(Rule& rule, bool equal, std::string name, char wildcard) {
  if (name.size() > 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
  if (name.empty()) return false;
  if (name.back() != wildcard) {
    rule.interface_is(true, name, equal);
    return true;
  }
  name.pop_back();
  if (!name.empty()) rule.meta(NFT_META_IIFNAME, 0).compare(0, equal, name);
  return true;
}

/// "[!] -s ADDRESS" and its like. Source: iptables(8).
bool add_option(Rule& rule, bool v4, Words& words) {
  const bool equal = !words.take_if("!");
  if (words.take_any({"-s", "--source", "--src"})) return add_address(rule, v4, true, equal, words.take());
  if (words.take_any({"-d", "--destination", "--dst"})) return add_address(rule, v4, false, equal, words.take());
  if (words.take_any({"-i", "--in-interface"})) return add_interface(rule, equal, words.take(), '+');
  return false;
}

/// "ip saddr [!=] ADDRESS", "iifname [!=] NAME". Source: nft(8).
bool add_match(Rule& rule, bool v4, Words& words) {
  const auto is_equal = [&] { return words.take_if("==") || !words.take_if("!="); };
  if (words.take_if("iifname")) {
    const bool equal = is_equal();
    return add_interface(rule, equal, words.take(), '*');
  }
  if (!words.take_if(v4 ? "ip" : "ip6")) return false;
  const bool source = words.take_if("saddr");
  if (!source && !words.take_if("daddr")) return false;
  const bool equal = is_equal();
  return add_address(rule, v4, source, equal, words.take());
}

}  // namespace

std::optional<Rule> parse_conditions(bool v4, const std::vector<std::string>& list) {
  Rule rule;
  Words words(list);
  const bool of_iptables = !list.empty() && (list.front().starts_with('-') || list.front().starts_with('!'));
  while (!words.at_end())
    if (!(of_iptables ? add_option(rule, v4, words) : add_match(rule, v4, words))) return std::nullopt;
  return rule;
}

}  // namespace barewire::standard
