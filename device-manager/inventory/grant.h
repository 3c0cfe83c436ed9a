// SPDX-License-Identifier: Apache-2.0
/// What comes with a device into its container: environment, device nodes, CDI names, and the device-info file for
/// Multus. Names, forms and order are those of the SR-IOV network device plugin, whose pods must not see a difference.
/// pool.h tells which device is whose; device_plugins.h writes the files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "device-manager/inventory/pool.h"

namespace barewire::inventory {

/// A character device of the host and where the container has it; `permissions` of the devices cgroup, "rwm".
struct DeviceNode {
  std::string host_path{};
  std::string container_path{};
  std::string permissions = "rw";
  friend bool operator==(const DeviceNode&, const DeviceNode&) = default;
};

/// All that one container gets for the devices of one resource.
struct Grant {
  std::map<std::string, std::string> environment{};
  std::vector<DeviceNode> nodes{};                   ///< empty when CDI is used
  std::map<std::string, std::string> annotations{};  ///< of CDI
};

/// Where nodes are looked for.
struct DevRoots {
  kernel::Sysfs sysfs{};
  std::string dev = "/dev";
};

/// `devices` in the order kubelet named them. A node that several devices share (/dev/vfio/vfio) comes once. Throws
/// nothing for a node that is missing: it is named all the same, and the runtime says so.
Grant grant(const Pool& pool, const std::vector<Member>& devices, const DevRoots& roots, bool use_cdi);
/// Of one device: those of vfio, uio, vhost-vdpa, RDMA and vhost-net, as its driver and its selector have it.
std::vector<DeviceNode> nodes_of(const Member& member, const DevRoots& roots);

/// The CDI specification of the devices of a pool that have nodes, empty when none has, and the name of its file.
/// Source: CDI specification 0.5.
std::string cdi_specification(const Pool& pool, const std::vector<Member>& members, const DevRoots& roots);
/// One file for each pool.
std::string cdi_file_name(const Pool& pool);

/// Device Information Specification 1.1.0, of the DP kind; empty for what has none (accelerators, auxiliary devices).
std::string device_info(const Member& member);
/// "example.com-vf-0000:01:10.0-device.json"
std::string device_info_file_name(const Pool& pool, const std::string& device);

}  // namespace barewire::inventory
