// SPDX-License-Identifier: Apache-2.0
/// Flower filters of the traffic class layer: what Open vSwitch turns flows into when it offloads them.
/// Source: tc-flower(8); include/uapi/linux/pkt_cls.h TCA_FLOWER_*, TCA_CLS_FLAGS_*.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernel/netlink.h"

namespace barewire::kernel {

struct FlowerFilter {
  std::uint16_t priority = 0;
  std::uint32_t handle = 0;
  bool in_hardware = false;      ///< the driver has taken it
  bool not_in_hardware = false;  ///< the driver was asked, and refused
  bool skip_hardware = false;    ///< the driver was never to be asked
};

/// Those on the ingress of link `index`; empty when it has no ingress queueing discipline. Throws KernelError.
std::vector<FlowerFilter> list_flower_filters(NlSocket& socket, int index);

}  // namespace barewire::kernel
