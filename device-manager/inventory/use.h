// SPDX-License-Identifier: Apache-2.0
/// What stands against giving a device to a container: who has it, who uses it, how it is. One look at the whole node,
/// then questions about single devices, so that a node of hundreds of VFs is looked at in milliseconds.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/vf/host.h"
#include "device-manager/inventory/pool.h"

namespace barewire::inventory {

/// What was seen at look(); a device that is promised afterwards is found out by allocate.h, under the lock.
class Use {
 public:
  /// Throws Error when records or links cannot be read at all.
  static Use look(vf::Host& host, std::vector<kernel::Link> links, const std::string& vfio_dir = "/dev/vfio");

  const std::vector<kernel::Link>& links() const noexcept { return links_; }
  const std::map<std::string, state::Allocation>& allocations() const noexcept { return allocations_; }
  /// By device: the resource that the device plugin promised it for.
  std::map<std::string, std::string> promised_resources() const;

  /// A clause such as "eth3 is enslaved to a bridge or bond"; nullopt: `resource` may give it away, or has done so.
  std::optional<std::string> find_obstacle(const Device& device, const std::string& resource) const;
  /// Has the device's PF a carrier? True where that cannot be known.
  bool has_carrier(const Device& device) const;

 private:
  /// nullptr when there is none.
  const kernel::Link* find_link(const std::string& name) const;
  /// Signs of use that no record of ours tells of: another CNI plugin, an open vfio group, the host itself.
  std::optional<std::string> used_without_record(const Device& device) const;
  /// A netdev with an address, a master, or links stacked on it is somebody's, though it is in the host's netns.
  std::optional<std::string> used_by_host(const kernel::Link& link) const;

  std::vector<kernel::Link> links_;
  std::map<std::string, state::Allocation> allocations_;
  std::map<std::string, std::string> damaged_;  ///< device → what is wrong with its record
  std::map<std::string, std::string> held_;     ///< device → the record that holds it
  std::set<std::string> peers_;                 ///< devices that sriov-cni recorded for a netns that lives
  std::set<int> parents_;                       ///< ifindexes that other links are stacked on
  std::set<int> addressed_;                     ///< ifindexes with an address that the kernel did not make up
  std::string vfio_dir_;
};

/// What most devices of the pool are bound to, netdev in doubt; `pool.driver_mode` where it says. A pod that asks for
/// the pool gets a device of that kind and no other.
std::string mode_of_pool(const Pool& pool, const std::vector<Member>& members);

}  // namespace barewire::inventory
