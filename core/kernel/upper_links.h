// SPDX-License-Identifier: Apache-2.0
/// Interfaces that stand on another one: VLANs, macvlans and their like. When the lower one is moved to another netns
/// they stay behind and go on receiving its traffic. Source: net/8021q/vlan.c vlan_device_event, drivers/net/macvlan.c
/// macvlan_device_event: neither looks at NETDEV_UNREGISTER of a device that is only moved.
#pragma once

#include <string>
#include <vector>

#include "core/kernel/netlink.h"

namespace barewire::kernel {

struct UpperLink {
  int index = 0;
  std::string name;
  std::string kind;
};

/// Those in the socket's netns on interface `index` of the same netns. An interface whose lower one is in another netns
/// is none of them, whatever its number there. Throws KernelError.
std::vector<UpperLink> list_upper_links(NlSocket& socket, int index);

}  // namespace barewire::kernel
