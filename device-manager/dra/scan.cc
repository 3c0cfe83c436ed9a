// SPDX-License-Identifier: Apache-2.0
/// Devices of pools that claims may take. One look for all of them; the facts of a PF are asked for once, not for each
/// of its VFs.
#include "device-manager/dra/scan.h"

#include <algorithm>

#include "core/vf/host.h"
#include "device-manager/inventory/use.h"

namespace barewire::dra {

namespace {

bool is_claimed(const inventory::Use& use, const std::string& device) {
  const auto promise = use.allocations().find(device);
  return promise != use.allocations().end() && promise->second.by == state::Allocation::kClaim;
}

/// `has_carrier`: as far as the pool cares.
std::optional<Trouble> find_trouble(const std::string& mode, bool has_carrier, const inventory::Device& device,
                                    const inventory::Use& use) {
  using Kind = Trouble::Kind;
  const std::string present = inventory::driver_mode_of(device);
  if (present.empty()) return Trouble{Kind::unhealthy, "no driver is bound to it"};
  // Not `taken`: the device is free, but a pod that got it would find another driver than its pool promises.
  if (present != mode)
    return Trouble{Kind::unhealthy, fmt::format("it is bound to {}, the pool is for {}", device.driver, mode)};
  if (!has_carrier) return Trouble{Kind::unhealthy, "its PF has no carrier"};
  if (is_claimed(use, device.id)) return std::nullopt;  // the scheduler knows
  if (auto why = use.find_obstacle(device, "")) return Trouble{Kind::taken, *std::move(why)};
  return std::nullopt;
}

/// All of its ports are as good as the bridge: it is there for everybody, or for nobody.
Offer offer_bridge(const inventory::Pool& pool, const std::string& switch_socket) {
  Offer offer{.resource = pool.resource(), .ports = pool.ports};
  offer.device.type = inventory::DeviceType::bridge;
  offer.device.id = pool.bridge;
  if (auto why = kubelet::find_bridge_obstacle(pool, switch_socket))
    offer.trouble = Trouble{Trouble::Kind::unhealthy, *std::move(why)};
  return offer;
}

}  // namespace

static std::set<std::string> find_lost(const std::vector<state::ClaimRecord>& claims,
                                       const std::vector<inventory::Device>& devices) {
  std::set<std::string> lost;
  for (const state::ClaimRecord& claim : claims)
    for (const state::ClaimedDevice& each : claim.devices)
      if (!each.is_port) lost.insert(each.id);
  for (const inventory::Device& device : devices) lost.erase(device.id);
  return lost;
}

Scan scan(const Node& node, const std::vector<inventory::Pool>& pools, const std::vector<state::ClaimRecord>& claims,
          inventory::Watches& watches, inventory::CarrierWatch::Time now, const std::string& switch_socket) {
  vf::Host host(node);
  const auto use = inventory::Use::look(host, kernel::list_links(host.socket));
  const auto devices = inventory::list_devices(host.sysfs, use.links());
  inventory::look_for_faults(watches.faults, host.sysfs, devices, use, now);
  auto promised = use.promised_resources();
  // A VF in a pod has no netdev here, so selectors would not find it again: its slice must not lose it for that.
  for (const state::ClaimRecord& claim : claims)
    for (const state::ClaimedDevice& each : claim.devices)
      if (!each.is_port) promised.insert_or_assign(each.id, each.resource);
  const auto membership = inventory::assign(pools, devices, promised);
  Scan result{.lost = find_lost(claims, devices)};
  for (std::size_t i = 0; i < pools.size(); ++i) {
    if (!pools[i].to_claims) continue;
    if (!pools[i].bridge.empty()) {
      result.offers.push_back(offer_bridge(pools[i], switch_socket));
      continue;
    }
    const std::string mode = inventory::mode_of_pool(pools[i], membership.members[i]);
    for (const inventory::Member& member : membership.members[i]) {
      const inventory::Device& device = *member.device;
      const bool has_carrier =
          !pools[i].follow_carrier || !watches.carrier.is_lost(device.pf_name(), use.has_carrier(device), now);
      auto trouble = find_trouble(mode, has_carrier, device, use);
      // What is broken says more than who has it.
      if (auto fault = watches.faults.find(device)) trouble = Trouble{Trouble::Kind::unhealthy, *std::move(fault)};
      result.offers.push_back({device, pools[i].resource(), std::move(trouble)});
      const std::string& parent = parent_of(device);
      if (!result.facts.contains(parent)) result.facts[parent] = find_facts(node, host, parent, use.links());
    }
  }
  return result;
}

}  // namespace barewire::dra
