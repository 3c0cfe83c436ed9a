// SPDX-License-Identifier: Apache-2.0
/// What the kernel counted of each link of a netns, in one dump however many there are. For metrics; vf_stats.h has
/// what a PF counted of its VFs.
#pragma once

#include <cstdint>
#include <map>

#include "core/kernel/netlink.h"

namespace barewire::kernel {

/// Since the link was made. In the order of the kernel, from which they are copied. Source: linux/if_link.h, struct
/// rtnl_link_stats64.
struct LinkStats {
  std::uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0, rx_errors = 0, tx_errors = 0,
                rx_dropped = 0, tx_dropped = 0;
};

/// By the link's index; of the socket's netns. Throws KernelError. Source: rtnetlink(7), RTM_GETSTATS (Linux 4.7).
std::map<int, LinkStats> list_link_stats(NlSocket& socket);

}  // namespace barewire::kernel
