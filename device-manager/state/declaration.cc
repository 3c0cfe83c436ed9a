// SPDX-License-Identifier: Apache-2.0
// What the parts of a declaration are called in messages, and which VF is whose.
#include "device-manager/state/declaration.h"

#include <algorithm>

namespace barewire::declared {

std::string Selector::text() const {
  std::vector<std::string> parts;
  const auto add = [&](std::string_view key, const std::optional<std::string>& value) {
    if (value) parts.push_back(fmt::format("{} {}", key, *value));
  };
  add("pci", pci);
  add("name", name);
  add("altName", alt_name);
  if (device) add("device", hw::to_string(*device));
  if (mac) add("mac", mac->text());
  add("slot", slot);
  add("driver", driver);
  return fmt::format("{}", fmt::join(parts, ", "));
}

bool VfGroup::contains(std::uint32_t id) const {
  return std::any_of(ranges.begin(), ranges.end(),
                     [id](const auto& range) { return range.first <= id && id <= range.second; });
}

std::string VfGroup::text() const {
  std::vector<std::string> parts;
  for (const auto& [first, last] : ranges)
    parts.push_back(first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last));
  return fmt::format("{}", fmt::join(parts, ","));
}

const VfGroup* Nic::group_of(std::uint32_t id) const {
  const auto found =
      std::find_if(groups.begin(), groups.end(), [id](const VfGroup& each) { return each.contains(id); });
  return found == groups.end() ? nullptr : &*found;
}

}  // namespace barewire::declared
