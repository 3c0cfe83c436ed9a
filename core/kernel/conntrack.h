// SPDX-License-Identifier: Apache-2.0
/// Connections the kernel tracks: forgetting UDP flows whose translation has changed, which otherwise go on as they
/// were for as long as packets come. Works on a NlSocket of NETLINK_NETFILTER. Source:
/// include/uapi/linux/netfilter/nfnetlink_conntrack.h; net/netfilter/nf_conntrack_netlink.c.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/ip.h"
#include "core/kernel/netlink.h"

namespace barewire::kernel {

/// UDP flows by where they were first sent to.
struct UdpFlows {
  bool v4 = true;
  std::uint16_t port = 0;
  std::optional<IpAddress> destination{};  ///< absent: any address of the family
};

/// Returns how many flows were forgotten. The kernel itself looks through its table (since 5.8), so that only the flows
/// asked for are sent. Throws KernelError.
std::size_t forget_udp_flows(NlSocket& socket, const UdpFlows& flows);

}  // namespace barewire::kernel
