// SPDX-License-Identifier: Apache-2.0
// Sysctl values word by word, each as text, as a number, or as a set of numbers.
#include "standard-plugins/tuning/sysctl_value.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace barewire::standard {

namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = text.find_first_not_of(separators); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(separators, end);
  }
  return parts;
}

/// As strtoul with base 0, which the kernel reads numbers with.
std::optional<std::int64_t> number_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.starts_with('0')) {
    base = 8;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || text.front() == '-' || error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return negative ? -value : value;
}

using Range = std::pair<std::int64_t, std::int64_t>;

std::optional<Range> range_of(std::string_view text) {
  // From the second character on: the first may be a minus.
  const auto dash = text.find('-', 1);
  const auto first = number_of(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number_of(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  return Range{*first, *last};
}

/// "8080,8082-8083,8081" as the ranges it covers, each as long as it can be; nullopt when it is no such list.
std::optional<std::vector<Range>> ranges_of(std::string_view text) {
  std::vector<Range> ranges;
  for (const std::string_view part : split(text, ",")) {
    const auto range = range_of(part);
    if (!range) return std::nullopt;
    ranges.push_back(*range);
  }
  std::sort(ranges.begin(), ranges.end());
  std::vector<Range> joined;
  for (const Range& range : ranges)
    if (!joined.empty() && range.first <= joined.back().second + 1)
      joined.back().second = std::max(joined.back().second, range.second);
    else
      joined.push_back(range);
  return joined;
}

/// Masks of CPUs and keys are printed with all their digits.
std::string_view without_zeros(std::string_view text) {
  const auto first = text.find_first_not_of("0,");
  return first == std::string_view::npos ? text.substr(text.size()) : text.substr(first);
}

bool is_same_word(std::string_view given, std::string_view shown) {
  if (given == shown) return true;
  const auto number = number_of(given);
  if (number && number == number_of(shown)) return true;
  const auto ranges = ranges_of(given);
  if (ranges && ranges == ranges_of(shown)) return true;
  // Numbers have been compared as such: "010" is eight.
  return !number && without_zeros(given) == without_zeros(shown);
}

}  // namespace

bool is_same_sysctl_value(std::string_view given, std::string_view shown) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto words = split(given, kBlank), present = split(shown, kBlank);
  return std::equal(words.begin(), words.end(), present.begin(), present.end(), is_same_word);
}

}  // namespace barewire::standard
