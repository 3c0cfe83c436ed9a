// SPDX-License-Identifier: Apache-2.0
/// The node's own interface in a VLAN of a bridge ("cni0.100"), which carries the gateway address of that VLAN's pods.
/// For bridge.cc with isGateway and a VLAN, since the bridge's own interface is in VLAN 1 unless somebody puts it
/// elsewhere.
#pragma once

#include <optional>
#include <string>

#include "core/kernel/link.h"
#include "standard-plugins/bridge/config.h"

namespace barewire::standard {

/// "cni0.100": the reference plugin's name for it.
std::string vlan_gateway_name(const std::string& bridge, std::uint16_t vlan);
/// A veth pair of the node: one end with that name, the other a port of the bridge in `vlan`. Made where missing; stays
/// when pods go, as the bridge does.
kernel::Link ensure_vlan_gateway(kernel::NlSocket& host, const kernel::Link& bridge, const BridgeConfig& config);

}  // namespace barewire::standard
