// SPDX-License-Identifier: Apache-2.0
/// What a PF counted of each of its VFs, through rtnetlink on its netdev: whoever has the VF, whatever driver it is on.
/// For metrics. vf.h has what is set.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/kernel/netlink.h"

namespace barewire::kernel {

/// Counters since the driver was loaded or the VF was reset. Absent: the driver does not count it, or the kernel is too
/// old to tell. Source: linux/if_link.h, IFLA_VF_STATS_*; drops since Linux 4.19.
struct VfStats {
  std::uint32_t id = 0;
  std::optional<std::uint64_t> rx_packets{}, tx_packets{}, rx_bytes{}, tx_bytes{}, broadcast{}, multicast{},
      rx_dropped{}, tx_dropped{};
  std::optional<std::uint32_t> link_state{};  ///< IFLA_VF_LINK_STATE_*, which comes in the same message: no counter
};

/// All VFs that the PF has statistics of, by id; one request. Throws KernelError.
std::vector<VfStats> list_vf_stats(NlSocket& socket, int pf_index);
/// What one RTM_NEWLINK message of a PF says.
std::vector<VfStats> parse_vf_stats(const nlmsghdr& message);

}  // namespace barewire::kernel
