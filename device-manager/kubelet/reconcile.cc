// SPDX-License-Identifier: Apache-2.0
/// Comparing two lists.
/// kubelet tells nobody when a device is free again: it is free when the list of pods no longer has it, for long
/// enough.
#include "device-manager/kubelet/reconcile.h"

#include <algorithm>

namespace barewire::kubelet {
namespace {

using state::Allocation;

Allocation allocation_of(const HeldDevice& held) {
  return {.device = held.device,
          .by = Allocation::kDevicePlugin,
          .owner = held.resource,
          .pod = {held.pod_namespace, held.pod, {}},
          .container = held.container,
          .since = state::now_text()};
}

bool is_same_pod(const Allocation& allocation, const HeldDevice& held) {
  return allocation.pod.name_space == held.pod_namespace && allocation.pod.name == held.pod &&
         allocation.container == held.container;
}

}  // namespace

bool Reconciler::is_due(const Allocation& allocation, Time now) {
  // Between Allocate and the container's start the device is in neither list: hence the grace.
  const auto [first, is_new] = missing_since_.try_emplace(allocation.device, now);
  return now - first->second >= grace_;
}

Reconciler::Plan Reconciler::plan(const std::vector<HeldDevice>& held, const std::vector<Allocation>& allocations,
                                  const std::set<std::string>& resources,
                                  const std::function<bool(const std::string&)>& is_attached, Time now) {
  Plan plan;
  std::map<std::string, const HeldDevice*> given;
  for (const HeldDevice& each : held) given.emplace(each.device, &each);
  std::set<std::string> recorded;
  for (const Allocation& each : allocations) {
    recorded.insert(each.device);
    // What claims and admins promise is not in kubelet's list of device plugins' devices, and is theirs to take back.
    if (each.by != Allocation::kDevicePlugin) continue;
    const auto found = given.find(each.device);
    // A device that moved to another resource is not the old promise's, whoever has it now.
    if (found != given.end() && found->second->resource == each.owner) {
      missing_since_.erase(each.device);
      if (!is_same_pod(each, *found->second)) plan.name.push_back(allocation_of(*found->second));
    } else if (!is_attached(each.device) && is_due(each, now)) {
      plan.release.push_back(each);
      missing_since_.erase(each.device);
    }
  }
  for (const HeldDevice& each : held)
    // Given away before this daemon came to the node, or its record was lost: without a promise another pod could get
    // it.
    if (resources.contains(each.resource) && !recorded.contains(each.device))
      plan.import.push_back(allocation_of(each));
  return plan;
}

std::vector<std::string> append_lost(std::vector<ListedDevice>& listed,
                                     const std::map<std::string, Allocation>& promises, const std::string& resource,
                                     const std::vector<inventory::Device>& devices) {
  std::vector<std::string> lost;
  for (const auto& [id, promise] : promises) {
    if (promise.by != Allocation::kDevicePlugin || promise.owner != resource) continue;
    if (std::any_of(devices.begin(), devices.end(), [&id = id](const auto& each) { return each.id == id; })) continue;
    listed.push_back({.id = id, .healthy = false});
    lost.push_back(id);
  }
  return lost;
}

}  // namespace barewire::kubelet
