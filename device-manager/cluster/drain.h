// SPDX-License-Identifier: Apache-2.0
/// Taking pods off a node whose VFs have to change: a place under the cluster's limit, the cordon, evictions, and back.
/// Nothing of it is remembered here but at the API server, so that a daemon that was killed goes on. Of one thread.
/// Source: Kubernetes, "Safely Drain a Node", "API-initiated Eviction".
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/state/attachment.h"
#include "device-manager/cluster/limit.h"
#include "device-manager/kubernetes/api.h"

namespace barewire::cluster {

/// On a node that we cordoned, with the time; a cordon of somebody else has none, and stays.
inline constexpr const char* kCordonAnnotation = "barewire.io/cordoned";
/// Of the Leases that are places under a limit, with the pool's name.
inline constexpr const char* kPlaceLabel = "barewire.io/drain";

class Drain {
 public:
  /// `api` outlives it.
  Drain(kubernetes::Api& api, std::string name_space, std::string node);

  /// Why a pod stays whatever is done: it is a DaemonSet's or a mirror of a static one. nullopt: it may be evicted, or
  /// is gone. Throws as Api::require.
  std::optional<std::string> find_obstacle(const state::Pod& pod);

  struct Step {
    bool has_place = false;  ///< false: other nodes have their turn
    std::string waits_for{};
  };
  /// One step; `node` is the node's object as it was just read. Takes a place, cordons, asks for evictions, and tells
  /// what is waited for. Call again until none of `pods` holds a VF any more. Throws as Api::require.
  Step step(const boost::json::value& node, const std::vector<state::Pod>& pods, const Limit& limit);

  /// Lifts our cordon, then gives the place back. Nothing where there is neither. Throws as step().
  void finish(const boost::json::value& node);

 private:
  struct Place {
    std::string name;
    std::string holder;
    boost::json::value lease;
  };
  std::vector<Place> places(const std::string& pool);
  /// Nobody, or a node that the cluster no longer has.
  bool is_free(const Place& place);
  /// True once this node has one.
  bool take_place(const Limit& limit);
  bool write_place(const std::string& pool, const std::string& name, const Place* before);
  void cordon(const boost::json::value& node);
  /// "": asked for; else why it has to wait.
  std::string evict(const state::Pod& pod);

  kubernetes::Api& api_;
  std::string name_space_, node_;
  /// False once finish() has found nothing: no request is made for nothing.
  bool may_have_place_ = true;
};

}  // namespace barewire::cluster
