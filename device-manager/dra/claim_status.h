// SPDX-License-Identifier: Apache-2.0
/// What a claim's status says of our devices (who is attached where, with which addresses), and events on the pods of
/// devices that went bad. Both are for people: nothing waits for them. Of one thread.
/// Source: KEP-4817; Kubernetes, types AllocatedDeviceStatus and Event.
#pragma once

#include <boost/json/array.hpp>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/attachment.h"
#include "core/state/claim_record.h"
#include "device-manager/dra/claim_offload.h"
#include "device-manager/dra/offer.h"
#include "device-manager/kubernetes/api.h"
#include "device-manager/kubernetes/backoff.h"

namespace barewire::dra {

/// What is written to status.devices of one claim: a whole list of this driver's entries, in the form of the API.
struct ClaimStatus {
  std::string uid{}, name_space{}, name{};
  boost::json::array devices{};
};
/// `attachments` and `offload` by device. Pure logic.
ClaimStatus status_of(const state::ClaimRecord& record, const std::map<std::string, state::Attachment>& attachments,
                      const std::string& driver, const std::map<std::string, OffloadCondition>& offload = {});

/// By what attachments_of has the device at that place of the record: its id; of a port, which has none of its own, the
/// claim's UID and the place.
std::string attachment_key(const state::ClaimRecord& record, std::size_t device);
/// By attachment_key. What cannot be read is left out: the status is for people.
std::map<std::string, state::Attachment> attachments_of(const Node& node,
                                                        const std::vector<state::ClaimRecord>& records);

/// A device that a pod has, and what is wrong with it.
struct PodTrouble {
  state::Pod pod{};
  std::string device{};
  std::string why{};  ///< empty: it is well again
  friend bool operator==(const PodTrouble& a, const PodTrouble& b) {
    return a.pod.uid == b.pod.uid && a.device == b.device && a.why == b.why;
  }
};
/// Of a device that has left the node with a pod's claim on it.
inline constexpr const char* kLost = "it is not on this node any more";
/// Of pods that have an unhealthy device by a claim, or one of `lost`, by device.
std::map<std::string, PodTrouble> troubles_of(const std::vector<Offer>& offers,
                                              const std::vector<state::ClaimRecord>& records,
                                              const std::set<std::string>& lost);

class ClaimReporter {
 public:
  using Time = kubernetes::Backoff::Time;
  /// `api` outlives it. `driver` is the name that owns the written fields, `node` the cluster's name of this node, for
  /// events.
  ClaimReporter(kubernetes::Api& api, std::string driver, std::string node);

  /// Writes what differs from what was written last, by server-side apply: entries of other drivers stay. Nothing
  /// before the back-off is over. True when all is written. Throws Error when it cannot be.
  bool report(const std::string& api_version, const std::vector<ClaimStatus>& claims, Time now);
  /// Zero when report() may be called at once.
  std::chrono::milliseconds until_due(Time now) const { return backoff_.left(now); }
  /// `troubles` by device, of now: an event for each that is new, and for each that is over. `time` is RFC 3339, UTC.
  /// Throws Error when one could not be sent: it and those after it are lost.
  void tell_pods(const std::map<std::string, PodTrouble>& troubles, const std::string& time);

 private:
  /// One PATCH. A claim that has gone, or was allocated anew, is no error: there is nothing to report then.
  void apply(const std::string& api_version, const ClaimStatus& claim);
  /// `time` is RFC 3339, UTC. Throws Error when the API server does not take it.
  void post_event(const PodTrouble& trouble, const std::string& time);

  kubernetes::Api& api_;
  std::string driver_, node_;
  std::map<std::string, boost::json::array> reported_;  ///< by UID
  std::map<std::string, PodTrouble> told_;              ///< by device
  kubernetes::Backoff backoff_;
};

}  // namespace barewire::dra
