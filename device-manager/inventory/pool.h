// SPDX-License-Identifier: Apache-2.0
/// Pools: named sets of devices that containers ask for by a resource's name. Declared in the configuration of the
/// SR-IOV network device plugin, which is accepted as it is, or in a shorter form of our own; docs/kubernetes.md has
/// both. Pure logic: no file, no device is touched here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json_view.h"
#include "device-manager/inventory/device.h"

namespace barewire::inventory {

/// "ens1f0#0-3,7" or "0000:86:00.0#4": a PF and which of its functions.
struct FunctionRange {
  std::string pf{};
  std::vector<std::pair<int, int>> numbers{};  ///< inclusive; empty = all
  /// Is VF, or SF, `number` in one of the ranges?
  bool contains(int number) const;
};

/// What a device must be; an empty list asks for nothing.
struct Selector {
  std::vector<std::string> vendors{}, devices{}, drivers{}, pci_addresses{}, acpi_indexes{}, link_types{},
      auxiliary_types{}, ddp_profiles{}, pkeys{};
  std::vector<FunctionRange> pf_names{}, root_devices{};
  bool rdma = false;        ///< only devices with RDMA; its character devices come with them
  bool vhost_net = false;   ///< asks nothing of the device: /dev/vhost-net and /dev/net/tun come with it
  std::string vdpa_type{};  ///< "vhost", "virtio"; empty: none
};
/// All that the selector asks for holds.
bool matches(const Selector& selector, const Device& device);

/// Of which PF a container's devices are taken; preferred.h.
enum class Policy { pack, spread, distinct_pf };

/// One resource, as declared; which devices are in it is found by assign().
struct Pool {
  /// "example.com"
  std::string prefix{};
  std::string name{};
  DeviceType type = DeviceType::net;
  std::vector<Selector> selectors{};  ///< a device belongs by the first that it matches
  bool topology = true;               ///< tell kubelet the NUMA nodes
  Policy policy = Policy::pack;
  bool follow_carrier = false;  ///< a device whose PF has lost its carrier is unhealthy
  /// netdev, vfio-pci, …; empty: the driver that most devices of the pool are bound to decides
  std::string driver_mode{};
  /// PCI address or "*" → key → value, handed to the container; nullopt: none was given.
  std::optional<std::map<std::string, std::map<std::string, std::string>>> additional_info{};

  bool to_device_plugin = true;  ///< containers get its devices by `resources: limits:`
  bool to_claims = false;        ///< by resource claims
  std::string bridge{};          ///< not empty: ports of this OVS bridge in place of devices
  int ports = 0;                 ///< of the bridge, that may be given away

  /// The name that pods ask for.
  std::string resource() const { return prefix + "/" + name; }
};

/// What a file declares, as far as it can be used.
struct PoolConfig {
  std::vector<Pool> pools;
  std::vector<std::string> problems;  ///< of pools that are left out, one sentence each
};
/// `default_prefix` is for pools that name none; empty: "intel.com" as the device plugin has it, "barewire.io" in our
/// form. A configuration that is no JSON object, or holds neither "resourceList" nor "pools", throws Error{config} or
/// {decode}. A pool that is wrong is left out and told in `problems`: the others do not suffer from it.
PoolConfig parse_pools(std::string_view bytes, const std::string& file, const std::string& default_prefix);

/// One pool of each form. Throw Error{config} naming key, value and what was expected.
Pool parse_resource(const JsonView& view, const std::string& default_prefix);
Pool parse_short_pool(const std::string& name, const JsonView& view, const std::string& default_prefix);

/// "netdev" for a driver of the kernel, "vdpa" where a vDPA device stands on it, else the driver's own name; empty:
/// unbound.
std::string driver_mode_of(const Device& device);

/// Which device belongs to which pool. Points into the lists that assign() was given.
struct Member {
  const Device* device = nullptr;
  const Selector* selector = nullptr;  ///< nullptr: it belongs because a container has it, not by its looks
};
struct Membership {
  std::vector<std::vector<Member>> members;  ///< by pool, in the order of the devices
  std::vector<std::string> overlaps;         ///< "0000:01:10.0 matches a/x and a/y; a/x has it"
};
/// Each device goes to the first pool that wants it. `promised` maps a device to the resource it was promised by: it
/// stays there whatever it looks like now, as a VF in a pod has no netdev to be known by.
Membership assign(const std::vector<Pool>& pools, const std::vector<Device>& devices,
                  const std::map<std::string, std::string>& promised);

}  // namespace barewire::inventory
