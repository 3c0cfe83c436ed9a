// SPDX-License-Identifier: Apache-2.0
/// Links the standard plugins make, each in one request: veth pairs, bridges and their ports.
/// Source: ip-link(8); drivers/net/veth.c (veth_newlink); net/bridge/br_netlink.c; include/uapi/linux/if_link.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"

namespace barewire::standard {

/// A veth pair: one end here, up, its peer in `netns`, down.
struct VethPair {
  std::string host_name;
  std::string container_name;
  std::uint32_t mtu = 0;          ///< of both; 0 = the kernel's
  std::optional<MacAddress> mac;  ///< of the container's end
  int master = 0;                 ///< ifindex the host's end is put under, 0 = none
};
/// Throws KernelError; EEXIST when a name is taken.
void create_veth(kernel::NlSocket& host, const kernel::NetNs& netns, const VethPair& pair);
/// "veth" and 8 random hexadecimal digits.
std::string random_veth_name();
/// A random unicast address with the locally administered bit.
MacAddress random_mac();

struct BridgeSettings {
  std::string name;
  std::uint32_t mtu = 0;  ///< 0 = the kernel's
  bool promisc = false;
  bool vlan_filtering = false;
};
/// The bridge, made where missing, up, with what `settings` ask for. Throws Error{config} when a link of that name is
/// something else, KernelError.
kernel::Link ensure_bridge(kernel::NlSocket& host, const BridgeSettings& settings);
/// nullopt when the kernel does not tell, e.g. when the link is no bridge.
std::optional<bool> vlan_filtering_of(kernel::NlSocket& host, int index);

struct PortSettings {
  bool hairpin = false;
  bool isolated = false;
  friend bool operator==(const PortSettings&, const PortSettings&) = default;
};
void set_port(kernel::NlSocket& host, const kernel::Link& port, const PortSettings& settings);
PortSettings port_of(kernel::NlSocket& host, const kernel::Link& port);

/// VLANs of a bridge port. Source: bridge(8) "bridge vlan".
struct PortVlan {
  std::uint16_t id = 0;
  bool untagged_pvid = false;  ///< untagged frames belong to it, and leave untagged
  friend auto operator<=>(const PortVlan&, const PortVlan&) = default;
};
void add_port_vlans(kernel::NlSocket& host, const kernel::Link& port, const std::vector<PortVlan>& vlans);
void remove_port_vlan(kernel::NlSocket& host, const kernel::Link& port, std::uint16_t id);
/// Sorted by id.
std::vector<PortVlan> port_vlans(kernel::NlSocket& host, int index);

}  // namespace barewire::standard
