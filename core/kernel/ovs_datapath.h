// SPDX-License-Identifier: Apache-2.0
/// Datapaths of Open vSwitch in the kernel. What they count is what was not offloaded to the traffic class layer, whose
/// filters are in flower.h. Source: include/uapi/linux/openvswitch.h, OVS_DP_CMD_GET, struct ovs_dp_stats.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace barewire::kernel {

struct OvsDatapath {
  std::string name;          ///< of its own port, "ovs-system"
  std::uint64_t flows = 0;   ///< there at this moment
  std::uint64_t hits = 0;    ///< packets that a flow was there for
  std::uint64_t misses = 0;  ///< packets that ovs-vswitchd was asked about
  std::uint64_t lost = 0;    ///< of them those that it could not be asked about
};

/// In the calling thread's netns, by one request however many flows there are. Empty where the kernel has no Open
/// vSwitch; asking may load its module. Throws KernelError.
std::vector<OvsDatapath> list_ovs_datapaths();

}  // namespace barewire::kernel
