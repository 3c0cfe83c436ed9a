// SPDX-License-Identifier: Apache-2.0
/// PCI network functions as sysfs shows them: PFs, VFs, their netdevs and drivers. Works on a Sysfs, so tests give it a
/// tree of their own. Reading throws what Sysfs throws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/kernel/sysfs.h"

namespace barewire::kernel {

/// "0000:01:10.0"; the domain may be left out in the input. nullopt when malformed.
std::optional<std::string> normalise_pci_address(std::string_view text);

/// What sysfs says of one PCI function; read afresh by each call. Source: Documentation/ABI/testing/sysfs-bus-pci.
struct PciFunction {
  std::string address{};
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint32_t pci_class = 0;  ///< 0x020000 = Ethernet
  std::string driver{};         ///< empty = unbound
  int numa_node = -1;
  std::vector<std::string> netdevs{};  ///< in the caller's netns
  std::optional<std::string> iommu_group{};
};
/// nullopt when there is no such function.
std::optional<PciFunction> find_pci_function(const Sysfs& sysfs, const std::string& address);
/// PCI functions of class 0x02xxxx, sorted by address.
std::vector<PciFunction> list_network_functions(const Sysfs& sysfs);

/// A VF's place: its PF and its number there.
struct VfPlace {
  std::string pf_address{};
  std::uint32_t id = 0;
};
/// nullopt when `address` is not a VF. Source: physfn, virtfnN links of sysfs-bus-pci.
std::optional<VfPlace> find_vf_place(const Sysfs& sysfs, const std::string& address);
/// VF addresses by VF number, in order; empty for what is no PF or has its VFs switched off.
std::vector<std::pair<std::uint32_t, std::string>> list_vf_addresses(const Sysfs& sysfs, const std::string& pf_address);
/// The PF's uplink netdev: of several (representors share net/ since Linux 5.8), the one whose phys_port_name is p<N>,
/// or which has none. nullopt when there is none in this netns.
std::optional<std::string> find_uplink(const Sysfs& sysfs, const std::string& pf_address);

/// Drivers that hand a function to user space: vfio-pci, uio_pci_generic, igb_uio.
bool is_userspace_driver(std::string_view driver);

/// Takes the function from its driver; its netdev is gone when this returns. Harmless when it has none. Throws
/// KernelError.
void unbind_driver(const Sysfs& sysfs, const std::string& address);
/// By the driver's own "bind" where the kernel would choose that driver too, which leaves no trace; else through
/// driver_override, which stays for a user-space driver only. Throws KernelError.
/// Source: Documentation/ABI/testing/sysfs-bus-pci.
void bind_driver(const Sysfs& sysfs, const std::string& address, const std::string& driver);

}  // namespace barewire::kernel
