// SPDX-License-Identifier: Apache-2.0
/// vDPA devices: virtio devices whose data path is hardware's (or a simulation's), made of a management device over
/// generic netlink and given to a bus driver. Every call opens its socket in the calling thread's netns; only the
/// initial one has vDPA. Source: include/uapi/linux/vdpa.h, vdpa-dev(8), Documentation/ABI/testing/sysfs-bus-vdpa.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ip.h"
#include "core/kernel/sysfs.h"

namespace barewire::kernel {

/// What devices are made of: a VF, {"pci", "0000:01:10.0"}, or {"", "vdpasim_net"}, which is on no bus.
struct VdpaManager {
  std::string bus{};
  std::string device{};
  friend bool operator==(const VdpaManager&, const VdpaManager&) = default;
  /// "pci/0000:01:10.0", as vdpa(8) writes it.
  std::string text() const { return bus.empty() ? device : bus + "/" + device; }
};

struct VdpaDevice {
  std::string name{};
  VdpaManager manager{};
};

/// What a network device can have from the start.
struct VdpaSettings {
  std::optional<MacAddress> mac{};
  std::optional<std::uint16_t> mtu{};          ///< bytes
  std::optional<std::uint16_t> queue_pairs{};  ///< at most
};

/// Empty where the kernel has no vDPA. Throws KernelError.
std::vector<VdpaManager> list_vdpa_managers();
std::vector<VdpaDevice> list_vdpa_devices();

/// Throws KernelError; EEXIST when the name is taken.
void add_vdpa_device(const VdpaDevice& device, const VdpaSettings& settings);
/// With its netdev, or its /dev/vhost-vdpa-N. Harmless when there is none. Throws KernelError, EBUSY when the device is
/// the management device's own.
void remove_vdpa_device(const std::string& name);

/// "vhost_vdpa", "virtio_vdpa"; empty when it is bound to none. nullopt when there is no such device.
std::optional<std::string> find_vdpa_driver(const Sysfs& sysfs, const std::string& name);
/// Gives the device to `driver`, from whatever it is bound to. Throws KernelError.
void bind_vdpa_driver(const Sysfs& sysfs, const std::string& name, const std::string& driver);

}  // namespace barewire::kernel
