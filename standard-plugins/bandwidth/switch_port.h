// SPDX-License-Identifier: Apache-2.0
/// Veth pairs that are ports of Open vSwitch: where a rate holds there. Its userspace datapath reads what a pod sends
/// from the node's end by AF_PACKET, before any qdisc of that end; and ovs-vswitchd, as it starts and whenever it looks
/// at its ports anew, removes qdiscs that it has not made. So both rates are at the pod's end. Used by bandwidth.cc.
/// Source: lib/netdev-linux.c netdev_linux_set_qos, netdev_linux_set_policing; packet(7).
#pragma once

#include <optional>

#include "core/cni/request.h"
#include "core/kernel/link.h"
#include "core/node.h"

namespace barewire::standard {

struct SwitchPort {
  kernel::NlSocket socket;  ///< in the pod's netns
  kernel::Link link;        ///< the pod's end
};

/// nullopt when the pod's interface is no veth pair of a switch: known by the record of the ovs plugin, and by the
/// master of the node's end, which a port of the kernel's datapath has. Throws Error{device} when it is a socket.
std::optional<SwitchPort> find_switch_port(const cni::Request& request, const Node& node);

}  // namespace barewire::standard
