// SPDX-License-Identifier: Apache-2.0
/// Ports of OVS bridges as a resource: a number of them that pods may have, as long as the bridge and its switch are
/// there. Which pod has which does not matter: the ovs plugin makes each port when it is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "device-manager/inventory/grant.h"
#include "device-manager/kubelet/messages.h"

namespace barewire::kubelet {

inline constexpr const char* kSwitchSocket = "/var/run/openvswitch/db.sock";

/// Why the bridge of `pool` has no ports to give; nullopt when it has. Asks the switch's database at `socket`. Throws
/// nothing: what stands in the way is the answer. May take as long as a database that restarts.
std::optional<std::string> find_bridge_obstacle(const inventory::Pool& pool, const std::string& socket = kSwitchSocket);

/// "BAREWIRE_BRIDGE_BR0" for pool "br0": the variable that tells a container which bridge its ports are of.
std::string bridge_variable(const std::string& pool);

/// "br0-0", "br0-1", … As many as the pool declares, all healthy, of no NUMA node.
std::vector<ListedDevice> list_ports(const inventory::Pool& pool);

/// Throws Error{device} for an id that is no port of the pool. The container gets the bridge's name in
/// BAREWIRE_BRIDGE_<pool>, and no device node.
inventory::Grant grant_ports(const inventory::Pool& pool, const std::vector<std::string>& ids);

}  // namespace barewire::kubelet
