// SPDX-License-Identifier: Apache-2.0
/// A look at the node: which devices are offered to resource claims, and what is wrong with them now.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/claim_record.h"
#include "device-manager/dra/offer.h"
#include "device-manager/inventory/faults.h"
#include "device-manager/inventory/pool.h"
#include "device-manager/kubelet/bridge_ports.h"

namespace barewire::dra {

/// Every device of pools for claims, those in trouble too: what becomes of them is said by taint and by health.
struct Scan {
  std::vector<Offer> offers{};
  std::map<std::string, NicFacts> facts{};  ///< by PF
  std::set<std::string> lost{};             ///< devices of claims that are not on the node any more
};
/// `switch_socket`: where the database of Open vSwitch is, for pools of bridges. `claims`: devices that claims have
/// stay in their pools, whatever they look like from here. `watches` remember between looks. Throws Error when the node
/// cannot be looked at.
Scan scan(const Node& node, const std::vector<inventory::Pool>& pools, const std::vector<state::ClaimRecord>& claims,
          inventory::Watches& watches, inventory::CarrierWatch::Time now,
          const std::string& switch_socket = kubelet::kSwitchSocket);

}  // namespace barewire::dra
