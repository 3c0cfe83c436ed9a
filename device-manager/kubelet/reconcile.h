// SPDX-License-Identifier: Apache-2.0
/// What kubelet's pod-resources tell against our promises: whom a device was given to, what kubelet has given away that
/// we do not know of (it was so before us, or records were lost), what it no longer counts as given. Pure logic;
/// device_plugins.h asks kubelet and carries the plan out.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/state/allocation.h"
#include "device-manager/inventory/device.h"
#include "device-manager/kubelet/messages.h"

namespace barewire::kubelet {

class Reconciler {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// `grace`: for how long kubelet must not have counted a device as given: right after its start it knows no pods yet.
  explicit Reconciler(std::chrono::milliseconds grace) : grace_(grace) {}

  /// What is to be done to the records, in no order. Carrying it out meets what has changed since: see apply() there.
  struct Plan {
    std::vector<state::Allocation> import{};   ///< given away, and no promise recorded
    std::vector<state::Allocation> name{};     ///< promised, now with the pod's name
    std::vector<state::Allocation> release{};  ///< promised, and given to nobody any more
  };
  /// `resources` are ours; `is_attached` tells whether an attachment holds a device, which keeps its promise alive.
  Plan plan(const std::vector<HeldDevice>& held, const std::vector<state::Allocation>& allocations,
            const std::set<std::string>& resources, const std::function<bool(const std::string&)>& is_attached,
            Time now);

 private:
  /// Missing for the grace by now; notes when it was missed first.
  bool is_due(const state::Allocation& allocation, Time now);

  std::chrono::milliseconds grace_;
  std::map<std::string, Time> missing_since_;  ///< by device
};

/// Appends the devices of `resource` that containers have and that are not among `devices`, those of the node, as
/// unhealthy, and tells which: left out of the list, kubelet would forget them, and their pods would hear nothing.
std::vector<std::string> append_lost(std::vector<ListedDevice>& listed,
                                     const std::map<std::string, state::Allocation>& promises,
                                     const std::string& resource, const std::vector<inventory::Device>& devices);

}  // namespace barewire::kubelet
