// SPDX-License-Identifier: Apache-2.0
/// The VLANs of a port, as a configuration asks for them and as columns of table Port hold them. ovs_config.h holds
/// one. Pure. IDs are 0 to 4095.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ovs-plugin/layered_config.h"
#include "ovs-plugin/ovsdb/values.h"

namespace barewire::ovs {

struct Vlan {
  std::string mode = "trunk";  ///< access, trunk, native-untagged, native-tagged, dot1q-tunnel
  std::optional<std::int64_t> tag;
  std::vector<std::int64_t> trunks;  ///< sorted, each once; empty: every VLAN
  std::string qinq_ethertype;        ///< of dot1q-tunnel: "802.1q", "802.1ad", or "" for the switch's default
};

/// Keys `vlan`, `trunk`, `vlan_mode`, `qinq_ethtype`. Throws Error{config}.
Vlan parse_vlan(const LayeredConfig& config);

/// Sets columns vlan_mode, tag, trunks and cvlans, also where they are empty, so that they can be compared.
void put_columns(const Vlan& vlan, ovsdb::Row& port);

}  // namespace barewire::ovs
