// SPDX-License-Identifier: Apache-2.0
/// A SriovNetwork, SriovIBNetwork or OVSNetwork of sriovnetwork.openshift.io/v1 as a NetworkAttachmentDefinition, with
/// a configuration of the same meaning as sriov-network-operator's. Pure. Source: the API of sriov-network-operator;
/// the multi-net specification of the Kubernetes Network Plumbing Working Group.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/state/declaration.h"

namespace barewire::cluster {

/// From which object it was made, "SriovNetwork/NAMESPACE/NAME": whoever changes or deletes one goes by it.
inline constexpr const char* kRenderedFrom = "barewire.io/rendered-from";
/// The operator's own mark, in its form; what it made is taken over.
inline constexpr const char* kOperatorMark = "sriovnetwork.openshift.io/owner-ref";
inline constexpr const char* kManagedByLabel = "app.kubernetes.io/managed-by";
inline constexpr const char* kManagedBy = "barewire";

struct NetworkKind {
  const char* kind;      ///< "SriovNetwork"
  const char* resource;  ///< "sriovnetworks"
};
inline constexpr NetworkKind kNetworkKinds[] = {
    {"SriovNetwork", "sriovnetworks"}, {"SriovIBNetwork", "sriovibnetworks"}, {"OVSNetwork", "ovsnetworks"}};

struct Rendered {
  std::string source{};      ///< as kRenderedFrom has it
  std::string name_space{};  ///< spec.networkNamespace, else the object's own
  std::string name{};
  boost::json::object object{};
};

/// kRenderedFrom's value for `object`.
std::string source_of(const std::string& kind, const boost::json::value& object);
/// What is wrong goes to `problems`, naming object and key; nullopt then. `prefix` is that of resources.
std::optional<Rendered> render(std::vector<declared::Problem>& problems, const std::string& kind,
                               const boost::json::value& object, const std::string& prefix);
/// Whether `current` at the API server says what `wanted` says: the marks, the resource, and a configuration with the
/// same keys and values, however it is written.
bool is_same_network(const Rendered& wanted, const boost::json::value& current);

}  // namespace barewire::cluster
