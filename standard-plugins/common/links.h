// SPDX-License-Identifier: Apache-2.0
/// Bridges and their ports, and names and addresses for links the standard plugins make.
/// Source: ip-link(8); bridge(8); net/bridge/br_netlink.c; include/uapi/linux/if_link.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel/link.h"
#include "core/kernel/netlink.h"

namespace barewire::standard {

/// "veth" and 8 random hexadecimal digits.
std::string random_veth_name();
/// A random unicast address with the locally administered bit.
MacAddress random_mac();

/// What a bridge must be like for a plugin that puts ports onto it.
struct BridgeSettings {
  std::string name;
  std::uint32_t mtu = 0;  ///< 0 = the kernel's
  bool promisc = false;
  bool vlan_filtering = false;
};
/// The bridge, made where missing, up, deaf to router advertisements, with what `settings` ask for; one that was there
/// keeps the MAC it has, whatever ports come and go. Throws
/// Error{config} when a link of that name is something else, KernelError.
kernel::Link ensure_bridge(kernel::NlSocket& host, const BridgeSettings& settings);
/// nullopt when the kernel does not tell, e.g. when the link is no bridge.
std::optional<bool> vlan_filtering_of(kernel::NlSocket& host, int index);

/// Attributes of a bridge port. Source: bridge(8), "hairpin", "isolated".
struct PortSettings {
  bool hairpin = false;
  bool isolated = false;
  friend bool operator==(const PortSettings&, const PortSettings&) = default;
};
/// Switches on what is wanted, and leaves the rest as it is. Throws KernelError.
void set_port(kernel::NlSocket& host, const kernel::Link& port, const PortSettings& settings);
/// As the kernel has it now; all off when `port` is no bridge port.
PortSettings port_of(kernel::NlSocket& host, const kernel::Link& port);

/// VLANs of a bridge port. Source: bridge(8) "bridge vlan".
struct PortVlan {
  std::uint16_t id = 0;
  bool untagged_pvid = false;  ///< untagged frames belong to it, and leave untagged
  friend auto operator<=>(const PortVlan&, const PortVlan&) = default;
};
/// `vlans` are sorted.
void add_port_vlans(kernel::NlSocket& host, const kernel::Link& port, const std::vector<PortVlan>& vlans);
void remove_port_vlan(kernel::NlSocket& host, const kernel::Link& port, std::uint16_t id);
/// Sorted by id.
std::vector<PortVlan> port_vlans(kernel::NlSocket& host, int index);

}  // namespace barewire::standard
