// SPDX-License-Identifier: Apache-2.0
/// What DPDK needs of the node and of a function's binding, told from sysfs alone, so before the EAL is started and
/// without libdpdk. Used by the probe, the doctor and the steps of apply. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/pci.h"
#include "hw-profiles/profile.h"

namespace barewire::dpdk {

/// Of all sizes together: DPDK takes any. Source: Documentation/ABI/testing/sysfs-kernel-mm-hugepages.
struct HugePages {
  std::int64_t total = 0;
  std::int64_t free = 0;
};
HugePages count_huge_pages(const kernel::Sysfs& sysfs);

/// How DPDK could drive a function as it is bound now.
enum class Way {
  none,        ///< its kernel driver keeps DPDK out, or it has no driver
  user_space,  ///< vfio-pci, uio_pci_generic, igb_uio
  bifurcated,  ///< beside its kernel driver, as the profile says
};
Way way_of(const kernel::PciFunction& pci, const hw::Profile& profile);
/// Which driver a VF of this family has to be on for DPDK: empty for its kernel driver, else a driver's name.
std::string driver_for_dpdk(const hw::Profile& profile);

/// What stands against it, and what to do about it.
struct Obstacle {
  std::string text;
  std::string hint;
};
/// Other functions than bridges in its IOMMU group: whoever has the one can reach the memory of the others' owners.
std::vector<std::string> list_group_others(const kernel::Sysfs& sysfs, const kernel::PciFunction& pci);
/// Of a function on vfio-pci: no IOMMU group, or one that has more than it. nullopt for others.
/// Source: Documentation/driver-api/vfio.rst, "Groups, Devices, and IOMMUs".
std::optional<Obstacle> find_iommu_obstacle(const kernel::Sysfs& sysfs, const kernel::PciFunction& pci);

/// Whether DPDK has to give the device physical addresses, which takes huge pages: no IOMMU translates for it.
bool needs_physical_addresses(const kernel::Sysfs& sysfs, const kernel::PciFunction& pci);

}  // namespace barewire::dpdk
