// SPDX-License-Identifier: Apache-2.0
/// devlink over generic netlink: eswitch mode, ports (representors), and ethtool questions the inventory asks. Every
/// call opens its socket in the calling thread's netns; a device is in one netns, and unknown elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/netns.h"

namespace barewire::kernel {

/// Who forwards between a NIC's functions. legacy: the NIC by itself, by MAC and VLAN; switchdev: the NIC as the kernel
/// tells it, which has a port for each function. Source: Documentation/networking/representors.rst.
enum class EswitchMode { legacy, switchdev };

/// A devlink handle such as {"pci", "0000:01:00.0"} or {"netdevsim", "netdevsim10"}.
struct DevlinkHandle {
  std::string bus{};
  std::string device{};
};

/// nullopt when the device has no devlink or no eswitch (igb).
std::optional<EswitchMode> find_eswitch_mode(const DevlinkHandle& handle);
/// Throws KernelError.
void set_eswitch_mode(const DevlinkHandle& handle, EswitchMode mode);

/// One port of a device's switch: an uplink, or the host's end of a function. Which function is told by numbers, as far
/// as the driver tells them.
struct DevlinkPort {
  std::uint32_t index = 0;
  std::string netdev{};  ///< empty when it has none in this netns
  int netdev_index = 0;
  std::string flavour{};  ///< "physical", "pcipf", "pcivf", "pcisf", …
  std::optional<std::uint32_t> controller{};
  std::optional<std::uint16_t> pf{};
  std::optional<std::uint32_t> vf{};
};
/// Empty where the kernel has no devlink or the device is gone. Throws KernelError.
std::vector<DevlinkPort> list_devlink_ports(const DevlinkHandle& handle);

/// A health reporter of a driver that is in error: it has found a fault that it has not recovered from.
struct DevlinkFault {
  DevlinkHandle handle{};
  std::string reporter{};  ///< "fw_fatal", "tx"
};
/// Those of every device of this netns; empty where the kernel has no devlink. Throws KernelError.
/// Source: Documentation/networking/devlink/devlink-health.rst.
std::vector<DevlinkFault> list_devlink_faults();

/// ethtool feature bits by name, e.g. "hw-tc-offload"; nullopt when unknown to the device.
std::optional<bool> find_feature(const std::string& netdev, const std::string& feature);

/// As `ethtool -i` shows it. Source: ETHTOOL_GDRVINFO.
struct DriverInfo {
  std::string driver{};
  std::string firmware{};
  std::string bus_info{};
};
/// nullopt when there is no such netdev in the calling thread's netns, or its driver tells nothing.
std::optional<DriverInfo> find_driver_info(const std::string& netdev);
/// Mb/s; nullopt when unknown (no carrier).
std::optional<std::uint32_t> find_speed(const std::string& netdev);

}  // namespace barewire::kernel
