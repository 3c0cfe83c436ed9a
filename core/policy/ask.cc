// SPDX-License-Identifier: Apache-2.0
// Making asks of single values. What cannot be understood gets no value, so that it is refused where it is bounded.
#include "core/policy/ask.h"

#include <fmt/format.h>

#include "core/policy/bound.h"

namespace barewire::policy {

Ask ask_flag(Subject subject, std::string key) {
  return {.subject = subject, .key = std::move(key), .shown = std::string(info_of(subject).name)};
}

Ask ask_name(Subject subject, std::string key, std::string name) {
  Ask ask{.subject = subject, .key = std::move(key), .shown = name};
  ask.names.push_back(std::move(name));
  return ask;
}

Ask ask_number(Subject subject, std::string key, std::uint64_t number, std::string shown) {
  return ask_range(subject, std::move(key), {number, number}, std::move(shown));
}

Ask ask_range(Subject subject, std::string key, NumberRange range, std::string shown) {
  Ask ask{.subject = subject, .key = std::move(key), .shown = std::move(shown)};
  if (ask.shown.empty())
    ask.shown =
        range.first == range.second ? std::to_string(range.first) : fmt::format("{}-{}", range.first, range.second);
  ask.numbers.push_back(range);
  return ask;
}

Ask ask_mac(std::string key, const std::string& text) {
  Ask ask{.subject = Subject::macs, .key = std::move(key), .shown = text};
  // As a number, so that a range of addresses is a range of numbers.
  if (const auto mac = MacAddress::parse(text)) ask.numbers.emplace_back(number_of(*mac), number_of(*mac));
  return ask;
}

Ask ask_address(Subject subject, std::string key, const std::string& text) {
  Ask ask{.subject = subject, .key = std::move(key), .shown = text};
  if (const auto prefix = IpPrefix::parse(text)) {
    // "10.1.2.0/24" asks for all of it, "10.1.2.3/24" for one address on that subnet.
    const bool is_network = *prefix == prefix->network();
    ask.addresses.emplace_back(prefix->address, is_network ? prefix->last() : prefix->address);
  } else if (const auto address = IpAddress::parse(text)) {
    ask.addresses.emplace_back(*address, *address);
  }
  return ask;
}

Ask ask_addresses(Subject subject, std::string key, const AddressRange& range) {
  return {.subject = subject,
          .key = std::move(key),
          .shown = fmt::format("{}-{}", range.first.text(), range.second.text()),
          .addresses = {range}};
}

}  // namespace barewire::policy
