// SPDX-License-Identifier: Apache-2.0
/// What of a port's traffic is in hardware: flows that Open vSwitch gave to the traffic class layer, counted, and in
/// words why some are not in the NIC. For `barewire ovs`, the doctor, metrics and the page. Pure but for reading.
#pragma once

#include <optional>
#include <string>

#include "core/kernel/flower.h"
#include "core/kernel/link.h"

namespace barewire::manager {

/// Flows of a port at this moment: idle ones are taken out after ten seconds.
/// Source: ovs-vswitchd.conf.db(5), other_config:max-idle.
struct PortOffload {
  bool representor = false;  ///< the netdev is a port of a NIC's own switch
  std::size_t flows = 0;
  std::size_t in_hardware = 0;
  std::size_t skipped = 0;  ///< of those that are not, how many the driver was never asked for (skip_hw)
  friend bool operator==(const PortOffload&, const PortOffload&) = default;
};

/// Of one link, by one request. Throws KernelError.
PortOffload read_port_offload(kernel::NlSocket& socket, const kernel::Link& link);

/// In percent, rounded down, so that 100 means all; nullopt without flows.
std::optional<unsigned> share_of(const PortOffload& offload);
/// Why some are not in hardware: "the driver refused them"; empty when all are, or there are none.
std::string why_in_software(const PortOffload& offload);

}  // namespace barewire::manager
