// SPDX-License-Identifier: Apache-2.0
/// A look at the node: which devices are offered to resource claims, and what is wrong with them now.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/claim_record.h"
#include "device-manager/dra/offer.h"
#include "device-manager/inventory/faults.h"
#include "device-manager/inventory/pool.h"

namespace barewire::dra {

/// Every device of pools for claims, those in trouble too: what becomes of them is said by taint and by health.
struct Scan {
  std::vector<Offer> offers{};
  std::map<std::string, NicFacts> facts{};  ///< by PF
};
/// `claims`: devices that claims have stay in their pools, whatever they look like from here. `watches` remember
/// between looks. Throws Error when the node cannot be looked at.
Scan scan(const Node& node, const std::vector<inventory::Pool>& pools, const std::vector<state::ClaimRecord>& claims,
          inventory::Watches& watches, inventory::CarrierWatch::Time now);

}  // namespace barewire::dra
