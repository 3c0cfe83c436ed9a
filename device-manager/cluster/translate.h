// SPDX-License-Identifier: Apache-2.0
/// What a cluster's policies make of one node: entries of a declaration, one for each NIC, and the node daemon's pools.
/// Pure. Which policy wins is the operator's rule: on one NIC the lowest number; groups of VFs of others count as far
/// as they do not overlap with it.
#pragma once

#include <boost/json/array.hpp>
#include <string>
#include <vector>

#include "device-manager/cluster/policy.h"
#include "device-manager/state/facts.h"

namespace barewire::cluster {

/// Entries as in node.json.
struct Wanted {
  struct Entry {
    std::string origin;  ///< "SriovNetworkNodePolicy a, SriovNetworkNodePolicy b", or a ConfigMap
    boost::json::object nic;
  };
  std::vector<Entry> entries{};
  boost::json::array resources{};  ///< as the device plugin's "resourceList"
  /// Policies that fight, and what this node's NICs cannot be; when there are any, nothing may be applied.
  std::vector<declared::Problem> problems{};
};

/// `policies` are those for this node, in any order; `prefix` is that of their resources.
Wanted translate(std::vector<Policy> policies, const std::vector<declared::NicFacts>& facts, const std::string& prefix);

/// Whether `policy` is for this NIC.
bool is_for(const Policy& policy, const declared::NicFacts& facts);

}  // namespace barewire::cluster
