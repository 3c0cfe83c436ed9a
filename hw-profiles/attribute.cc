// SPDX-License-Identifier: Apache-2.0
// One table of names, indexed by the enumerator: an attribute that is added gets its name at the same place, and is
// counted in kAttributeCount.
#include "hw-profiles/attribute.h"

namespace barewire::hw {

namespace {
constexpr std::array<std::string_view, kAttributeCount> kNames = {
    "mac",         "vlan",        "vlan_qos",  "vlan_8021ad", "spoofchk", "trust",   "link_state",
    "min_tx_rate", "max_tx_rate", "query_rss", "node_guid",   "mtu",      "promisc", "allmulti"};
}  // namespace

const std::array<Attribute, kAttributeCount>& all_attributes() {
  static constexpr std::array<Attribute, kAttributeCount> kAll = [] {
    std::array<Attribute, kAttributeCount> all{};
    for (std::size_t i = 0; i < kAttributeCount; ++i) all[i] = static_cast<Attribute>(i);
    return all;
  }();
  return kAll;
}

std::string_view attribute_name(Attribute attribute) {
  return kNames[static_cast<std::size_t>(attribute)];
}

std::optional<Attribute> find_attribute(std::string_view name) {
  for (const Attribute attribute : all_attributes())
    if (attribute_name(attribute) == name) return attribute;
  return std::nullopt;
}

}  // namespace barewire::hw
