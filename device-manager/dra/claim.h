// SPDX-License-Identifier: Apache-2.0
/// A ResourceClaim as far as it is about our driver: which devices the scheduler chose, what they are to be like, for
/// which pod. Pure logic. Source: Kubernetes, resource.k8s.io/v1, types ResourceClaim and AllocationResult.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "core/state/attachment.h"
#include "device-manager/dra/messages.h"

namespace barewire::dra {

/// One entry of status.allocation.devices.results: kubelet is answered in the words that the scheduler chose.
struct ChosenDevice {
  std::string request{};  ///< "main", also where the scheduler chose "main/sub"
  /// As the ResourceSlice names them, no PCI address; `share_id` is empty where the device is this claim's alone.
  std::string pool{}, device{}, share_id{};
  boost::json::object settings{};  ///< of the class, then of the claim
  std::string subrequest{};        ///< "sub" of "main/sub"
};

/// What of a claim concerns this driver. Without `devices` it is about other drivers only, which is no error.
struct ClaimView {
  std::string uid{};
  std::vector<state::Pod> pods{};       ///< whom it is reserved for
  std::vector<ChosenDevice> devices{};  ///< of our driver
  std::string pod_claim{};              ///< of a claim made from a template, by which name its pod has it
};

/// `claim` is what the API server has under the name that kubelet gave. Throws Error{try_again} when it is not the
/// claim that kubelet means or has no devices yet, Error{config} for what we refuse: wrong parameters, admin access.
ClaimView parse_claim(const boost::json::value& claim, const ClaimRef& wanted, const std::string& driver);

}  // namespace barewire::dra
