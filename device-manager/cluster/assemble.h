// SPDX-License-Identifier: Apache-2.0
/// The declaration of one node out of all that the cluster has for it: policies, ConfigMaps, and what is to go of that
/// which was declared before. Pure: agent.h reads the objects and the node, keeps the document and applies it.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/cluster/policy.h"
#include "device-manager/state/facts.h"

namespace barewire::cluster {

/// A ConfigMap with this label holds a declaration under the key "node.json".
inline constexpr const char* kDeclarationLabel = "barewire.io/declaration=node";
/// Of such a ConfigMap: for nodes with these labels, "role=worker,zone=a"; absent or empty: for all.
inline constexpr const char* kSelectorAnnotation = "barewire.io/node-selector";

struct Sources {
  Labels labels{};                                            ///< of the node
  std::optional<std::vector<boost::json::value>> policies{};  ///< nullopt: the API server knows no such objects
  std::vector<boost::json::value> config_maps{};
  std::string prefix{};                      ///< of resources
  declared::Declaration own{};               ///< the node's files; they have no problems
  std::optional<boost::json::value> kept{};  ///< the document made last
};

struct Assembled {
  boost::json::object document{};  ///< as node.json, to be kept
  /// The node's files and the cluster's, with each entry's place as people know it.
  declared::Declaration whole{};
  std::vector<declared::Problem> problems{};  ///< when there are any, nothing may be applied
  bool is_from_cluster(const declared::Nic& nic) const;
  std::size_t own_nics = 0;  ///< how many of whole.nics are the node's own: the first
};

/// NICs of `kept` that nobody declares any more get no VFs and, where they are in switchdev mode, legacy: a policy that
/// was deleted leaves nothing, but what is managed by others stays. Throws Error{config} where the API server has lost
/// the very kind of object that `kept` comes from: that is no word about what the node should be.
Assembled assemble(const Sources& sources, const std::vector<declared::NicFacts>& facts);

}  // namespace barewire::cluster
