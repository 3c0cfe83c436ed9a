// SPDX-License-Identifier: Apache-2.0
/// devlink over generic netlink: eswitch mode, ports (representors), and ethtool questions the inventory asks.
/// Source: devlink(8), include/uapi/linux/devlink.h; Documentation/networking/ethtool-netlink.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/netns.h"

namespace barewire::kernel {

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

struct DevlinkPort {
  std::uint32_t index = 0;
  std::string netdev{};  ///< empty when it has none in this netns
  int netdev_index = 0;
  std::string flavour{};  ///< "physical", "pcipf", "pcivf", "pcisf", …
  std::optional<std::uint32_t> controller{};
  std::optional<std::uint16_t> pf{};
  std::optional<std::uint32_t> vf{};
};
std::vector<DevlinkPort> list_devlink_ports(const DevlinkHandle& handle);

/// ethtool feature bits by name, e.g. "hw-tc-offload"; nullopt when unknown to the device.
std::optional<bool> find_feature(const std::string& netdev, const std::string& feature);

struct DriverInfo {
  std::string driver{};
  std::string firmware{};
  std::string bus_info{};
};
std::optional<DriverInfo> find_driver_info(const std::string& netdev);
/// Mb/s; nullopt when unknown (no carrier).
std::optional<std::uint32_t> find_speed(const std::string& netdev);

}  // namespace barewire::kernel
