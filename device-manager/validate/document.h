// SPDX-License-Identifier: Apache-2.0
/// The network configurations in a file: one plugin's, a list, or the NetworkAttachmentDefinitions of a manifest, in
/// JSON or YAML. Source: CNI spec 1.1.0 section 1; Kubernetes Network Custom Resource Definition De-facto Standard 1.3,
/// section 3.2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace barewire::manager {

struct Document {
  std::string where;   ///< "NetworkAttachmentDefinition default/blue"; empty when the file is the configuration
  std::string name;    ///< the network's when the configuration has none: that of the object
  std::string config;  ///< JSON; empty for an object that leaves it to the node's files
};

/// Those of `bytes`, which `file` had. Manifests' other objects are passed over. Throws Error{decode} when it is
/// neither JSON nor YAML, {config} when it holds no network.
std::vector<Document> split_documents(std::string_view bytes, const std::string& file);

}  // namespace barewire::manager
