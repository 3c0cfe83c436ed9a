// SPDX-License-Identifier: Apache-2.0
/// SriovNetworkNodeState of sriovnetwork.openshift.io/v1: how the node is, and which pod has which VF. node_status() is
/// pure; write_status() takes it to the API server. Source: the API of sriov-network-operator.
#pragma once

#include <boost/json/object.hpp>
#include <set>
#include <string>

#include "device-manager/kubernetes/api.h"
#include "device-manager/snapshot.h"

namespace barewire::cluster {

/// How far the node is on its way to what the cluster declares.
struct Sync {
  enum class State { succeeded, in_progress, failed } state = State::succeeded;
  std::string message{};  ///< what fails, or what is waited for
  bool soon = false;      ///< what is waited for may be over any moment
  friend bool operator==(const Sync&, const Sync&) = default;
};

/// The object's `status`. `current` is what the API server has, null when it has none: a condition that stays keeps its
/// time. `external`: PCI addresses of PFs that others manage. `now` is RFC 3339.
boost::json::object node_status(const manager::Snapshot& snapshot, const Sync& sync,
                                const std::set<std::string>& external, const boost::json::value& current,
                                const std::string& now);

/// Whether a write would change nothing. Where the schema of the CRD dropped our own keys (`pod`, `conditions`), their
/// absence is no difference.
bool is_same_status(const boost::json::value& wanted, const boost::json::value& current);

/// Of one node. Makes the object where there is none; writes only what changed. Throws as Api::require.
class NodeStateObject {
 public:
  /// `node` is its object at the API server, to own the state.
  NodeStateObject(kubernetes::Api& api, std::string name_space, const boost::json::value& node);
  void write(const manager::Snapshot& snapshot, const Sync& sync, const std::set<std::string>& external);

 private:
  boost::json::value create_object() const;

  kubernetes::Api& api_;
  std::string name_space_, node_, node_uid_;
};

}  // namespace barewire::cluster
