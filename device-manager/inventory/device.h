// SPDX-License-Identifier: Apache-2.0
/// The devices of the node that may be offered to containers, as sysfs and rtnetlink show them at one moment: PCI
/// network functions, accelerators, auxiliary network devices. pool.h sorts them into pools, use.h says which are free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/link.h"
#include "core/kernel/sysfs.h"

namespace barewire::inventory {

/// `bridge`: of Open vSwitch; list_devices() lists none.
enum class DeviceType { net, accelerator, auxiliary, bridge };

/// A vDPA device on top of a function. Source: Documentation/ABI/testing/sysfs-bus-vdpa.
struct Vdpa {
  std::string name{};    ///< "vdpa0"
  std::string driver{};  ///< "vhost_vdpa", "virtio_vdpa"
  std::string path{};    ///< of vhost_vdpa: "/dev/vhost-vdpa-0"
  friend bool operator==(const Vdpa&, const Vdpa&) = default;
};

/// A snapshot: nothing of it follows the device. What could not be read is empty, or -1.
struct Device {
  std::string id{};  ///< PCI address; of an auxiliary device its name, "mlx5_core.sf.4"
  DeviceType type = DeviceType::net;
  std::string vendor{};  ///< four hexadecimal digits, as in "8086"
  std::string device{};
  std::string driver{};  ///< empty = unbound
  /// In this netns, by name; empty on a driver of user space, and while it is in a pod
  std::vector<std::string> netdevs{};
  std::string pf{};  ///< PCI address of the PF; empty: neither a VF nor auxiliary
  std::vector<std::string>
      pf_names{};        ///< of the PF's uplink, alternative ones after the name; empty: it has none here
  int number = -1;       ///< of a VF on its PF, of an auxiliary device its SF number
  bool has_vfs = false;  ///< a PF whose VFs are enabled: they are offered, not it
  /// Below 0: the platform does not say
  int numa_node = -1;
  std::string pcie_root{};  ///< "pci0000:00"
  /// As the firmware numbers the slots, where it does; empty else
  std::string acpi_index{};
  std::string link_type{};  ///< "ether", "infiniband"; empty where neither it nor its PF has a netdev here
  /// RDMA devices on top, "mlx5_2"
  std::vector<std::string> rdma{};
  /// Its number, absent without an IOMMU
  std::optional<std::string> iommu_group{};
  bool noiommu = false;  ///< its group is without protection: /dev/vfio/noiommu-N
  std::string uio{};     ///< "uio0"
  std::optional<Vdpa> vdpa{};
  std::string auxiliary_type{};  ///< "sf"
  std::string pkey{};            ///< the first partition key of its InfiniBand device, "0x7fff"

  /// The uplink's name proper; empty when it has none here.
  std::string pf_name() const { return pf_names.empty() ? std::string() : pf_names.front(); }
  friend bool operator==(const Device&, const Device&) = default;
};

/// Everything there is, by id. `links` are the host's, for alternative names. Throws Error{io}.
std::vector<Device> list_devices(const kernel::Sysfs& sysfs, const std::vector<kernel::Link>& links);

/// One of them as it is now; nullopt when it is gone. Costs as much as what it shares with others, so for many use
/// list_devices.
std::optional<Device> find_device(const kernel::Sysfs& sysfs, const std::vector<kernel::Link>& links,
                                  const std::string& id);

/// Character devices of an RDMA device, as /dev/infiniband/uverbs0, in the order in which the SR-IOV network device
/// plugin hands them over; rdma_cm last, where `dev` has it.
std::vector<std::string> rdma_char_devices(const kernel::Sysfs& sysfs, const std::string& rdma,
                                           const std::string& dev = "/dev");

}  // namespace barewire::inventory
