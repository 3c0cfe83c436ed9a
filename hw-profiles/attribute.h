// SPDX-License-Identifier: Apache-2.0
/// The attributes of a virtual function that a network config can ask for and a NIC may or may not have. Used by
/// profile.h and check.h.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace barewire::hw {

enum class Attribute {
  mac,          ///< admin MAC, set through the PF
  vlan,         ///< port VLAN, 802.1Q
  vlan_qos,     ///< priority bits of the port VLAN
  vlan_8021ad,  ///< port VLAN with the 802.1ad protocol
  spoofchk,
  trust,
  link_state,
  min_tx_rate,
  max_tx_rate,
  query_rss,
  node_guid,  ///< InfiniBand node and port GUID
  mtu,        ///< of the VF's own netdev
  promisc,    ///< of the VF's own netdev
  allmulti,   ///< of the VF's own netdev
};
inline constexpr std::size_t kAttributeCount = 14;

/// Every attribute, in order of declaration.
const std::array<Attribute, kAttributeCount>& all_attributes();
/// The name in profile files and messages, "max_tx_rate".
std::string_view attribute_name(Attribute attribute);
/// nullopt when no attribute has this name; names match exactly.
std::optional<Attribute> find_attribute(std::string_view name);

}  // namespace barewire::hw
