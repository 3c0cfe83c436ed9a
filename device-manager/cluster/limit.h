// SPDX-License-Identifier: Apache-2.0
/// What holds for nodes of a kind, such as how many may be drained at once: SriovNetworkPoolConfig of
/// sriovnetwork.openshift.io/v1. Pure. Source: the API
/// of sriov-network-operator; Kubernetes' LabelSelector and IntOrString.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "device-manager/cluster/policy.h"

namespace barewire::cluster {

struct Limit {
  std::string pool = "default";  ///< nodes of one pool share the limit
  std::size_t most = 1;          ///< nodes
  std::string rdma_mode{};       ///< "shared", "exclusive"; empty: not said
};

/// Whether the LabelSelector `selector` (null: everything) selects `labels`. Throws Error{config} for what it cannot
/// understand.
bool selects(const boost::json::value& selector, const Labels& labels);

/// The labels of every node of the cluster; called only where a share of them is asked for.
using ListNodes = std::function<std::vector<Labels>()>;

/// Of the node with `labels`. One that is in no pool, or in one that says nothing, has the limit 1. Throws
/// Error{config} naming the objects: it is in two pools, or a value is wrong.
Limit limit_of(const std::vector<boost::json::value>& pool_configs, const Labels& labels, const ListNodes& nodes);

}  // namespace barewire::cluster
