// SPDX-License-Identifier: Apache-2.0
// sysfs tells of a binding what the EAL would only say in its log, after it had tried.
#include "device-manager/dpdk/preflight.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace barewire::dpdk {
namespace {

constexpr std::uint32_t kBridgeClass = 0x06;  // Source: PCI Code and ID Assignment, base class 06h

std::string group_path(const kernel::PciFunction& pci) {
  return "kernel/iommu_groups/" + pci.iommu_group.value_or("");
}

}  // namespace

HugePages count_huge_pages(const kernel::Sysfs& sysfs) {
  HugePages pages;
  for (const std::string& size : sysfs.list("kernel/mm/hugepages")) {
    pages.total += sysfs.read_integer("kernel/mm/hugepages/" + size + "/nr_hugepages").value_or(0);
    pages.free += sysfs.read_integer("kernel/mm/hugepages/" + size + "/free_hugepages").value_or(0);
  }
  return pages;
}

Way way_of(const kernel::PciFunction& pci, const hw::Profile& profile) {
  if (kernel::is_userspace_driver(pci.driver)) return Way::user_space;
  return profile.dpdk_bifurcated.value && !pci.driver.empty() ? Way::bifurcated : Way::none;
}

std::string driver_for_dpdk(const hw::Profile& profile) {
  if (profile.dpdk_bifurcated.value) return "";
  return profile.dpdk_driver.value.empty() ? "vfio-pci" : profile.dpdk_driver.value;
}

std::vector<std::string> list_group_others(const kernel::Sysfs& sysfs, const kernel::PciFunction& pci) {
  std::vector<std::string> others;
  if (!pci.iommu_group) return others;
  for (const std::string& each : sysfs.list(group_path(pci) + "/devices")) {
    if (each == pci.address) continue;
    const auto device_class = sysfs.read_integer(fmt::format("bus/pci/devices/{}/class", each));
    if (!device_class || (*device_class >> 16) != kBridgeClass) others.push_back(each);
  }
  return others;
}

std::optional<Obstacle> find_iommu_obstacle(const kernel::Sysfs& sysfs, const kernel::PciFunction& pci) {
  if (pci.driver != "vfio-pci") return std::nullopt;
  if (!pci.iommu_group)
    return Obstacle{fmt::format("{} has no IOMMU group: the IOMMU is off", pci.address),
                    "switch it on in the firmware, and boot with intel_iommu=on (amd_iommu is on by itself)"};
  const auto others = list_group_others(sysfs, pci);
  if (others.empty()) return std::nullopt;
  return Obstacle{fmt::format("IOMMU group {} of {} has {} too: whoever has the one reaches the others",
                              *pci.iommu_group, pci.address, fmt::join(others, ", ")),
                  "a slot whose root port has ACS gives each function a group of its own"};
}

bool needs_physical_addresses(const kernel::Sysfs& sysfs, const kernel::PciFunction& pci) {
  if (pci.driver != "vfio-pci") return kernel::is_userspace_driver(pci.driver);
  // Source: drivers/vfio/group.c, which names the groups of its no-IOMMU mode so.
  return sysfs.read(group_path(pci) + "/name").value_or("") == "vfio-noiommu";
}

}  // namespace barewire::dpdk
