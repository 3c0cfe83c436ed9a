// SPDX-License-Identifier: Apache-2.0
/// Keeps the node's ResourceSlices at the API server as they should be: lists them once, then writes what differs, and
/// lists anew when something tells that another has written. Of one thread; the API server may fail in any way.
/// Source: Kubernetes API concepts (resourceVersion, 409 Conflict, 410 Gone).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/dra/slices.h"
#include "device-manager/kubernetes/api.h"
#include "device-manager/kubernetes/backoff.h"

namespace barewire::dra {

/// Holds what was read and written last, so that a look at the node that finds nothing new costs no request.
class Publisher {
 public:
  using Time = kubernetes::Backoff::Time;
  /// `api` outlives it. `node` is the name under which kubelet registered.
  Publisher(kubernetes::Api& api, std::string driver, std::string node);

  /// What the node has to offer from now on.
  void offer(std::vector<Offer> offers, std::map<std::string, NicFacts> facts);
  /// What is known of the API server's slices may be out of date: kubelet removes them when the driver was gone.
  void forget() { listed_ = false; }

  /// Writes what has to be written; nothing before the back-off is over. True when all is as it should be. Throws
  /// Error when it cannot be told, or not be written: the back-off has begun then.
  bool sync(Time now);
  std::chrono::milliseconds until_due(Time now) const { return backoff_.left(now); }

  /// "v1" or "v1beta1"; empty: not asked yet.
  const std::string& api_version() const noexcept { return identity_.api_version; }

 private:
  /// Learns the API's version and the node's UID. Throws Error, ApiRefusal when the cluster has no such node.
  void connect();
  /// Every slice of this node and driver, whoever wrote it: those that are not desired are removed.
  void list();
  /// One request. Throws ApiRefusal: 409 means that somebody else was faster.
  void write(const SliceWrite& write);
  /// From the present list to the desired one, without regard to time.
  void sync_once();
  /// Of one slice; of all where `name` is empty.
  std::string path(const std::string& name) const;

  kubernetes::Api& api_;
  Identity identity_;
  std::vector<Offer> offers_;
  std::map<std::string, NicFacts> facts_;
  /// Before the first look at the node: no offers are not the same as nothing to offer
  bool offered_ = false;
  bool listed_ = false;
  Abilities abilities_;  ///< until the API server drops a field
  std::map<std::string, PublishedSlice> published_;
  kubernetes::Backoff backoff_;
};

/// The newest version of the API that both know. Throws Error when the cluster has none.
std::string find_api_version(kubernetes::Api& api);

}  // namespace barewire::dra
