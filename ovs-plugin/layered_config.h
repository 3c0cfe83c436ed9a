// SPDX-License-Identifier: Apache-2.0
/// The configuration of the plugins of this folder: the network's own over a file of the node's, key by key, as ovs-cni
/// has it. ovs_config.cc and mirror_config.cc read it.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/cni/request.h"
#include "core/json_view.h"

namespace barewire::ovs {

/// Keeps both documents alive; views point into them. A message names the file where a key is from there.
class LayeredConfig {
 public:
  /// The file is `configuration_path`, which then must exist, else the first of the usual places, if any. Throws
  /// Error{config} naming the file, Error{decode} when it is not JSON.
  static LayeredConfig read(const cni::Request& request);

  /// A key of the network's configuration, else of the file. An empty string counts as absent, as it does for the peer.
  std::optional<JsonView> find(std::string_view key) const;
  /// As those of JsonView.
  std::string string_or(std::string_view key, std::string fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::int64_t integer_or(std::string_view key, std::int64_t min, std::int64_t max, std::string_view meaning,
                          std::int64_t fallback) const;

 private:
  LayeredConfig(std::shared_ptr<const boost::json::value> network, std::shared_ptr<const boost::json::value> file,
                std::string path)
      : network_(std::move(network)), file_(std::move(file)), path_(std::move(path)) {}

  std::shared_ptr<const boost::json::value> network_;  ///< the configuration on stdin
  std::shared_ptr<const boost::json::value> file_;     ///< null: there is none
  std::string path_;                                   ///< of the file, for messages
};

}  // namespace barewire::ovs
