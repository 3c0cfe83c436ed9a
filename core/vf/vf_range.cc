// SPDX-License-Identifier: Apache-2.0
// The notation is that of the SR-IOV network device plugin, whose configurations are copied from.
#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/vf/inventory.h"

namespace barewire::vf {
namespace {

constexpr std::string_view kMeaning = "a PF, or a PF with VF numbers, as \"ens1f0#0-3,7\"";

/// The SR-IOV specification numbers VFs in 16 bits.
std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> parse_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair{*first, *last};
}

[[noreturn]] void reject(const std::string& text, const std::string& key, std::string_view part) {
  throw Error(Error::Code::config, fmt::format("config key \"{}\" is \"{}\"; expected {}", key, text, kMeaning),
              fmt::format("\"{}\" is not a VF number or a rising range of them", part));
}

}  // namespace

bool VfRange::contains(std::uint32_t id) const {
  if (ranges.empty()) return true;
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.first <= id && id <= range.second; });
}

VfRange VfRange::parse(const std::string& text, const std::string& key) {
  const std::size_t hash = text.find('#');
  VfRange range{text.substr(0, hash), {}};
  if (range.pf.empty()) {
    throw Error(Error::Code::config, fmt::format("config key \"{}\" is \"{}\"; expected {}", key, text, kMeaning),
                "the name of the PF is missing");
  }
  if (hash == std::string::npos) return range;
  std::string_view rest = std::string_view(text).substr(hash + 1);
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    const auto parsed = parse_range(part);
    if (!parsed) reject(text, key, part);
    range.ranges.push_back(*parsed);
    if (comma == std::string_view::npos) return range;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace barewire::vf
