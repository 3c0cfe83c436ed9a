// SPDX-License-Identifier: Apache-2.0
// Conditions are written for either tool, since configurations outlive a change of backend.
#include "standard-plugins/portmap/conditions.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <charconv>
#include <functional>

namespace barewire::standard {

namespace {

using kernel::nft::Rule;

/// Lists multiply: each of one with each of the next. More is not meant.
constexpr std::size_t kMostRules = 256;

constexpr std::string_view kPunctuation = "{},";

/// The words one after another, "{", "," and "}" by themselves. A condition of nft may come as one string or several.
class Words {
 public:
  explicit Words(const std::vector<std::string>& words) {
    for (const std::string& word : words) split(word);
  }
  bool at_end() const { return next_ == words_.size(); }
  std::string take() { return at_end() ? std::string() : words_[next_++]; }
  bool take_if(std::string_view word) {
    if (at_end() || words_[next_] != word) return false;
    ++next_;
    return true;
  }
  bool take_any(std::initializer_list<std::string_view> list) {
    return std::any_of(list.begin(), list.end(), [&](std::string_view word) { return take_if(word); });
  }
  /// "a", "a,b" or "{ a, b }".
  std::vector<std::string> take_list() {
    const bool in_braces = take_if("{");
    std::vector<std::string> values = {take()};
    while (take_if(","))
      if (!(in_braces && !at_end() && words_[next_] == "}")) values.push_back(take());
    if (in_braces && !take_if("}")) values.clear();
    return values;
  }

 private:
  void split(const std::string& text) {
    std::string word;
    const auto end_word = [&] {
      if (!word.empty()) words_.push_back(std::exchange(word, {}));
    };
    for (const char c : text) {
      if (std::isspace(static_cast<unsigned char>(c)) || kPunctuation.find(c) != std::string_view::npos) end_word();
      if (kPunctuation.find(c) != std::string_view::npos)
        words_.emplace_back(1, c);
      else if (!std::isspace(static_cast<unsigned char>(c)))
        word.push_back(c);
    }
    end_word();
  }

  std::vector<std::string> words_;
  std::size_t next_ = 0;
};

/// Adds one comparison to a rule; false when the value is none.
using Compare = std::function<bool(Rule& rule, const std::string& value, bool equal)>;

/// One of the values has to be equal; not equal, none of them.
bool add_list(std::vector<Rule>& rules, const std::vector<std::string>& values, bool equal, const Compare& compare) {
  if (values.empty() || (equal && rules.size() * values.size() > kMostRules)) return false;
  std::vector<Rule> product;
  for (const Rule& rule : rules) {
    Rule all = rule;
    for (const std::string& value : values) {
      Rule one = rule;
      // "Equal to one of these" takes a rule for each; "equal to none" takes one rule with all of them.
      if (!compare(equal ? one : all, value, equal)) return false;
      if (equal) product.push_back(std::move(one));
    }
    if (!equal) product.push_back(std::move(all));
  }
  rules = std::move(product);
  return true;
}

Compare address(bool v4, bool source) {
  return [=](Rule& rule, const std::string& text, bool equal) {
    auto prefix = IpPrefix::parse(text);
    if (const auto one = IpAddress::parse(text); !prefix && one)
      prefix = IpPrefix{*one, static_cast<std::uint8_t>(one->size() * 8)};
    if (!prefix || prefix->address.is_v4() != v4) return false;
    rule.address_in(*prefix, source, equal);
    return true;
  };
}

/// A name that ends in `wildcard` stands for all that begin so.
Compare interface(char wildcard) {
  return [=](Rule& rule, const std::string& text, bool equal) {
    std::string name = text;
    if (name.size() > 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
    if (name.empty()) return false;
    if (name.back() != wildcard) {
      rule.interface_is(true, name, equal);
      return true;
    }
    name.pop_back();
    // The pattern "+" or "*" alone: every name, and there is none that it excludes.
    if (name.empty()) return equal;
    rule.meta(NFT_META_IIFNAME, 0).compare(0, equal, name);
    return true;
  };
}

/// The nft command takes the number that a name has at the time; a number may also be given.
bool compare_index(Rule& rule, const std::string& text, bool equal) {
  std::uint32_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size()) return interface('\0')(rule, text, equal);
  rule.meta(NFT_META_IIF, 0).compare(0, equal, {reinterpret_cast<const char*>(&index), sizeof index});
  return true;
}

/// "[!] -s ADDRESS" and its like. Source: iptables(8).
bool add_option(std::vector<Rule>& rules, bool v4, Words& words) {
  const bool equal = !words.take_if("!");
  if (words.take_any({"-s", "--source", "--src"})) return add_list(rules, words.take_list(), equal, address(v4, true));
  if (words.take_any({"-d", "--destination", "--dst"}))
    return add_list(rules, words.take_list(), equal, address(v4, false));
  if (words.take_any({"-i", "--in-interface"})) return add_list(rules, {words.take()}, equal, interface('+'));
  return false;
}

/// "ip saddr [!=] ADDRESS", "iifname [!=] NAME". Source: nft(8).
bool add_match(std::vector<Rule>& rules, bool v4, Words& words) {
  const auto add = [&](const Compare& compare) {
    const bool equal = words.take_any({"==", "eq"}) || !words.take_any({"!=", "ne"});
    return add_list(rules, words.take_list(), equal, compare);
  };
  words.take_if("meta");
  if (words.take_if("iifname")) return add(interface('*'));
  if (words.take_if("iif")) return add(compare_index);
  if (!words.take_if(v4 ? "ip" : "ip6")) return false;
  const bool source = words.take_if("saddr");
  return (source || words.take_if("daddr")) && add(address(v4, source));
}

bool is_option(const std::vector<std::string>& list) {
  return !list.empty() && (list.front().starts_with('-') || list.front().starts_with('!'));
}

bool is_in_digits(const std::string& text) {
  return text.find_first_not_of("0123456789abcdefABCDEF.:/") == std::string::npos &&
         // Digits alone are a host's name here: only inet_aton takes them for an address.
         text.find_first_of(".:/") != std::string::npos;
}

}  // namespace

std::optional<std::vector<Rule>> parse_conditions(bool v4, const std::vector<std::string>& list) {
  std::vector<Rule> rules(1);
  Words words(list);
  const bool of_iptables = is_option(list);
  while (!words.at_end())
    if (!(of_iptables ? add_option(rules, v4, words) : add_match(rules, v4, words))) return std::nullopt;
  return rules;
}

bool is_nft_condition(const std::vector<std::string>& words) {
  return !words.empty() && !words.front().empty() && !is_option(words);
}

std::optional<std::string> find_host_name(const std::vector<std::string>& list) {
  if (!is_option(list)) return std::nullopt;
  Words words(list);
  while (!words.at_end()) {
    if (!words.take_any({"-s", "--source", "--src", "-d", "--destination", "--dst"})) {
      words.take();
      continue;
    }
    for (const std::string& value : words.take_list())
      if (!is_in_digits(value)) return value;
  }
  return std::nullopt;
}

}  // namespace barewire::standard
