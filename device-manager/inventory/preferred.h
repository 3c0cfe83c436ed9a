// SPDX-License-Identifier: Apache-2.0
/// Which of the free devices a container should get: the answer to kubelet's GetPreferredAllocation, by the policy of
/// the pool (pool.h). Pure logic.
#pragma once

#include <string>
#include <vector>

#include "device-manager/inventory/pool.h"

namespace barewire::inventory {

/// `size` ids of `available`, those of `must_include` first. A device on the NUMA node and below the PCIe root of those
/// already chosen comes before others; where nothing is chosen yet, one whose NUMA node has enough for all. Then the
/// policy: pack fills the PF with the fewest free ones, spread takes of the PFs in turn, distinct_pf takes none of a PF
/// twice while there is another. Fewer than `size` when there are not that many; unknown ids come last.
std::vector<std::string> prefer(Policy policy, const std::vector<Device>& available,
                                const std::vector<std::string>& must_include, std::size_t size);

}  // namespace barewire::inventory
