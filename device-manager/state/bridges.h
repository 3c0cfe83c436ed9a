// SPDX-License-Identifier: Apache-2.0
/// The declared bridges of Open vSwitch against its database, and making them so. Only what is declared of a bridge is
/// looked at: its other ports, and other bridges, are not ours. Source: ovs-vswitchd.conf.db(5).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "device-manager/state/plan.h"
#include "ovs-plugin/ovsdb/endpoint.h"

namespace barewire::declared {

struct BridgePlan {
  const OvsBridge* bridge = nullptr;
  std::vector<Change> changes{};        ///< empty: as declared
  std::vector<std::string> refusals{};  ///< what stands against it; then nothing of this bridge is changed
};

/// In the order of the declaration. Throws Error{try_again} when the database is down, Error{ovsdb}, KernelError.
std::vector<BridgePlan> plan_bridges(const Declaration& declaration, const ovsdb::Endpoint& endpoint);
/// As plan_bridges; nothing is asked where no bridge is declared, and what is thrown becomes a refusal of each.
std::vector<BridgePlan> try_plan_bridges(const Declaration& declaration, const ovsdb::Endpoint& endpoint = {});

/// Plans anew and makes the one bridge so, in one transaction for the bridge and one for its uplink; waits until a
/// running ovs-vswitchd has it. Returns whether anything was done. Throws Error{held} for a refusal, and as
/// plan_bridges.
bool apply_bridge(const OvsBridge& bridge, const ovsdb::Endpoint& endpoint = {});

}  // namespace barewire::declared
