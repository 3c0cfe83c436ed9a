// SPDX-License-Identifier: Apache-2.0
/// Which device the host-device plugin is to hand over, and finding it. docs/configuration/host-device.md explains the
/// keys.
#pragma once

#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/kernel/link.h"
#include "core/vf/host.h"

namespace barewire::host_device {

/// The keys, the first of them that is set counts: name, MAC, path, bus address. Source: the reference plugin of that
/// name.
struct DeviceQuery {
  std::string name;               ///< "device"
  std::optional<MacAddress> mac;  ///< "hwaddr"
  std::string kernel_path;        ///< "kernelpath", below /sys/devices/
  std::string bus_address;        ///< "pciBusID", or "runtimeConfig.deviceID" which goes before it

  bool empty() const { return name.empty() && !mac && kernel_path.empty() && bus_address.empty(); }
  /// Is the bus address what counts?
  bool is_on_bus() const { return name.empty() && !mac && kernel_path.empty(); }
  /// For messages: `device "ens1f0"`.
  std::string text() const;
  /// For ADD. Throws Error{config} naming the key.
  static DeviceQuery parse(const cni::Request& request);
  /// For DEL, which must not fail over what ADD would: keys that are wrong count as absent.
  static DeviceQuery parse_leniently(const cni::Request& request);
};

struct Device {
  std::optional<kernel::Link> link;  ///< absent: on a user-space driver
  std::string parent;                ///< the netdev's parent device on whatever bus; empty for virtual netdevs
  std::string driver;
  std::string bus_address = {};  ///< PCI or auxiliary device the config names; a virtio NIC's netdev has another parent
  /// What it is claimed under: its bus address, else its parent, else "netdev-NAME".
  std::string claim_name() const;
};
/// On the host. nullopt when there is none. Throws Error{device} when a PCI function is there but has no netdev here.
std::optional<Device> find_device(vf::Host& host, const DeviceQuery& query);

}  // namespace barewire::host_device
