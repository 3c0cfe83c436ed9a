// SPDX-License-Identifier: Apache-2.0
// Reading and comparing what a rule allows. Sets of numbers are a few ranges, so they are searched one by one.
#include "core/policy/bound.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <limits>

namespace barewire::policy {

namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  // Takes no sign and no blanks, and what stands behind the number is refused below.
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// "FIRST-LAST" or one value, each as `parse` reads it.
template <typename Parse>
std::optional<NumberRange> parse_range(std::string_view text, const Parse& parse) {
  const auto dash = text.find('-');
  const auto first = parse(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse(text.substr(dash + 1));
  // A range written backwards would allow nothing, and look as if it allowed something.
  if (!first || !last || *first > *last) return std::nullopt;
  return NumberRange{*first, *last};
}

std::vector<NumberRange> parse_numbers(const JsonView& json) {
  std::vector<NumberRange> ranges;
  for (const JsonView& element : json.array("a list of numbers and ranges, as [7, \"100-199\"]")) {
    if (!element.is_string()) {
      const auto number = static_cast<std::uint64_t>(
          element.integer(0, std::numeric_limits<std::uint32_t>::max(), "a number, or a range as \"100-199\""));
      ranges.emplace_back(number, number);
      continue;
    }
    const auto range = parse_range(element.string(), parse_number);
    if (!range) element.reject("a number, or a range as \"100-199\"");
    ranges.push_back(*range);
  }
  return ranges;
}

std::optional<std::uint64_t> parse_mac(std::string_view text) {
  const auto mac = MacAddress::parse(text);
  return mac ? std::optional(number_of(*mac)) : std::nullopt;
}

std::vector<NumberRange> parse_macs(const JsonView& json) {
  std::vector<NumberRange> ranges;
  for (const JsonView& element : json.array("a list of MAC addresses and ranges")) {
    const auto range = parse_range(element.string(), parse_mac);
    if (!range) element.reject("a MAC address, or a range as 02:00:00:00:00:00-02:00:00:00:00:ff");
    ranges.push_back(*range);
  }
  return ranges;
}

std::vector<std::string> parse_patterns(const JsonView& json, bool paths) {
  std::vector<std::string> patterns;
  for (const JsonView& element : json.array("a list of patterns")) {
    const std::string pattern = element.string();
    const std::size_t start = pattern.starts_with('!') ? 1 : 0;
    if (pattern.size() == start) element.reject("a pattern, as \"ens*\"");
    // Where ".." leads cannot be told from the text.
    if (paths && pattern.find("..") != std::string::npos) element.reject("a path without \"..\"");
    patterns.push_back(pattern);
  }
  return patterns;
}

std::vector<IpPrefix> parse_prefixes(const JsonView& json) {
  std::vector<IpPrefix> prefixes;
  for (const JsonView& element : json.array("a list of IP prefixes")) {
    const auto prefix = IpPrefix::parse(element.string());
    // An address with host bits is refused: what its author meant by them cannot be told.
    if (!prefix || *prefix != prefix->network()) element.reject("a network, as 10.56.0.0/16");
    prefixes.push_back(*prefix);
  }
  return prefixes;
}

/// Where two of them meet, what both hold may be asked as one.
std::vector<NumberRange> joined(std::vector<NumberRange> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<NumberRange> result;
  for (const NumberRange& range : ranges) {
    const bool meets =
        !result.empty() && (range.first <= result.back().second || range.first - result.back().second == 1);
    if (meets)
      result.back().second = std::max(result.back().second, range.second);
    else
      result.push_back(range);
  }
  return result;
}

bool holds(const std::vector<NumberRange>& allowed, const NumberRange& asked) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const NumberRange& range) {
    return range.first <= asked.first && asked.second <= range.second;
  });
}

bool holds_all(const std::vector<NumberRange>& allowed, const std::vector<NumberRange>& asked) {
  // An ask without a value was not understood: it fits nothing.
  return !asked.empty() &&
         std::all_of(asked.begin(), asked.end(), [&](const NumberRange& range) { return holds(allowed, range); });
}

bool holds_all(const std::vector<IpPrefix>& allowed, const std::vector<AddressRange>& asked) {
  const auto is_held = [&](const AddressRange& range) {
    // Both ends in one prefix: what lies between two prefixes is not allowed by them.
    return std::any_of(allowed.begin(), allowed.end(), [&](const IpPrefix& prefix) {
      return prefix.contains(range.first) && prefix.contains(range.second);
    });
  };
  return !asked.empty() && std::all_of(asked.begin(), asked.end(), is_held);
}

/// Position by position: `reached[n]` says whether the pattern so far can end there. Time is the product of the
/// lengths, whatever the pattern: the name is the attacker's choice.
bool matches(std::string_view pattern, std::string_view name, bool paths) {
  std::vector<bool> reached(name.size() + 1, false);
  reached[0] = true;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    const bool star = pattern[p] == '*', doubled = star && p + 1 < pattern.size() && pattern[p + 1] == '*';
    if (doubled) ++p;
    const auto takes = [&, c = pattern[p]](char taken) {
      if (doubled) return true;
      if (star || c == '?') return !(paths && taken == '/');
      return c == taken;
    };
    std::vector<bool> next(name.size() + 1, false);
    if (star) next[0] = reached[0];
    for (std::size_t n = 0; n < name.size(); ++n)
      next[n + 1] = (star && reached[n + 1]) || ((star ? next[n] : static_cast<bool>(reached[n])) && takes(name[n]));
    reached = std::move(next);
  }
  return reached[name.size()];
}

/// A path that goes up, or says a component twice, is another one than it looks.
bool is_plain_path(std::string_view path) {
  return !path.empty() && path.find("//") == std::string_view::npos &&
         (std::string(path) + "/").find("/../") == std::string::npos &&
         (std::string(path) + "/").find("/./") == std::string::npos;
}

}  // namespace

std::uint64_t number_of(const MacAddress& mac) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : mac.bytes()) number = number << 8 | byte;
  return number;
}

bool fits(const std::vector<std::string>& patterns, const std::vector<std::string>& names, bool paths) {
  bool found = false;
  for (const std::string& name : names) {
    if (paths && !is_plain_path(name)) return false;
    for (const std::string& pattern : patterns) {
      const bool excludes = pattern.starts_with('!');
      if (!matches(std::string_view(pattern).substr(excludes ? 1 : 0), name, paths)) continue;
      // An excluded name is refused whatever else fits, and whichever of the device's names it is.
      if (excludes) return false;
      found = true;
    }
  }
  return found;
}

Bound::VfPattern Bound::parse_vfs(const JsonView& element) {
  constexpr const char* kMeaning = "a PF, or a PF with VF numbers, as \"ens1f0#0-3,7\"";
  const std::string text = element.string();
  const std::size_t hash = text.find('#');
  VfPattern pattern{text.substr(0, hash), {}};
  if (pattern.pf.empty() || pattern.pf.starts_with('!')) element.reject(kMeaning);
  for (std::size_t start = hash; start != std::string::npos;) {
    const std::size_t comma = text.find(',', start + 1);
    const auto range = parse_range(std::string_view(text).substr(start + 1, comma - start - 1), parse_number);
    if (!range) element.reject(kMeaning);
    pattern.numbers.push_back(*range);
    start = comma;
  }
  pattern.numbers = joined(std::move(pattern.numbers));
  return pattern;
}

Bound Bound::parse(const SubjectInfo& subject, const JsonView& json) {
  Bound bound;
  bound.kind_ = subject.kind;
  bound.text_ = boost::json::serialize(json.value());
  switch (subject.kind) {
    case Kind::flag:
      bound.flag_ = json.boolean();
      break;
    case Kind::limit:
      bound.limit_ = static_cast<std::uint64_t>(json.integer(0, INT64_MAX, "the largest number allowed"));
      break;
    case Kind::patterns:
    case Kind::paths:
      bound.patterns_ = parse_patterns(json, subject.kind == Kind::paths);
      break;
    case Kind::numbers:
      bound.numbers_ = joined(parse_numbers(json));
      break;
    case Kind::macs:
      bound.numbers_ = joined(parse_macs(json));
      break;
    case Kind::prefixes:
      bound.prefixes_ = parse_prefixes(json);
      break;
    case Kind::vfs:
      for (const JsonView& element : json.array("a list of PFs, as [\"ens1f0#0-3\"]"))
        bound.vfs_.push_back(parse_vfs(element));
      break;
  }
  return bound;
}

bool Bound::allows_vfs(const Ask& ask) const {
  return std::any_of(vfs_.begin(), vfs_.end(), [&](const VfPattern& pattern) {
    // No numbers: all VFs, those included that the PF gets later.
    return fits({pattern.pf}, ask.names) && (pattern.numbers.empty() || holds_all(pattern.numbers, ask.numbers));
  });
}

bool Bound::allows(const Ask& ask) const {
  switch (kind_) {
    case Kind::flag:
      // Whatever the value: that it is asked for at all is what is bounded.
      return flag_;
    case Kind::limit:
      // kUnlimited is more than any limit.
      return !ask.numbers.empty() && ask.numbers.front().second <= limit_;
    case Kind::patterns:
    case Kind::paths:
      return fits(patterns_, ask.names, kind_ == Kind::paths);
    case Kind::numbers:
    case Kind::macs:
      return holds_all(numbers_, ask.numbers);
    case Kind::prefixes:
      return holds_all(prefixes_, ask.addresses);
    case Kind::vfs:
      return allows_vfs(ask);
  }
  return false;
}

}  // namespace barewire::policy
