// SPDX-License-Identifier: Apache-2.0
/// Which of all daemons renders networks: one that holds a Lease of coordination.k8s.io. A holder counts as gone when
/// its lease has not changed for its duration as this node's own clock measures it: clocks of nodes differ. Of one
/// thread. Source: Kubernetes, coordination.k8s.io/v1 Lease.
#pragma once

#include <chrono>
#include <string>

#include "device-manager/kubernetes/api.h"

namespace barewire::cluster {

inline constexpr const char* kLeaseApi = "/apis/coordination.k8s.io/v1";

/// A Lease to be written: `name`, `holder` (empty: nobody) and what else it says now.
boost::json::object lease_object(const std::string& name_space, const std::string& name, const std::string& holder,
                                 std::chrono::seconds duration);

class Election {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// `identity` is one of this process alone. `api` outlives it.
  Election(kubernetes::Api& api, std::string name_space, std::string name, std::string identity,
           std::chrono::seconds duration);

  /// Takes or renews the lease where that is due, at most one read and one write. Throws as Api::require but for 409:
  /// then somebody else was faster.
  void run(Time now);
  /// May this one act at `now`? It stops well before others may think it gone.
  bool is_leader(Time now) const { return now < valid_until_; }
  /// Lets go of the lease, if it is this one's. Throws as run().
  void give_up();

 private:
  bool may_take(const boost::json::value& lease, Time now);
  void write(boost::json::value lease, const std::string& holder, bool is_new);

  kubernetes::Api& api_;
  std::string name_space_, name_, identity_;
  std::chrono::seconds duration_;
  std::string seen_;  ///< resourceVersion of another's lease
  Time seen_at_{};    ///< since when it has been that
  Time renewed_{};
  Time valid_until_{};
};

}  // namespace barewire::cluster
