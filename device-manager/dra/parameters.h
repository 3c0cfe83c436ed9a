// SPDX-License-Identifier: Apache-2.0
/// The opaque parameters that a claim or a class gives our driver: what is asked of a VF, in the keys of the sriov
/// plugin's configuration. Strict: a key or value that is not known is refused by name. Pure logic.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>

namespace barewire::dra {

/// Both have to be given, as with every object of Kubernetes: parameters of a later form are refused, not misread.
inline constexpr const char* kParametersVersion = "barewire.io/v1";
inline constexpr const char* kParametersKind = "VfConfig";

/// {"apiVersion": "barewire.io/v1", "kind": "VfConfig", "vlan": 100, …} without its first two. Throws Error{config};
/// `subject` names whose parameters they are.
boost::json::object parse_parameters(const boost::json::value& parameters, const std::string& subject);

/// `over` on top of `settings`, key by key. What a claim says of a key takes the place of what its class says.
void merge_parameters(boost::json::object& settings, const boost::json::object& over);
/// What single keys cannot tell: throws Error{config} for a priority without VLAN, a guaranteed rate above the limit.
void require_consistent(const boost::json::object& settings, const std::string& subject);

}  // namespace barewire::dra
