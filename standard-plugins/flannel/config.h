// SPDX-License-Identifier: Apache-2.0
/// The keys of the flannel plugin, what flanneld tells of the node's subnet, and the delegate's configuration made of
/// both. docs/configuration/flannel.md describes them.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cni/request.h"
#include "core/ip.h"

namespace barewire::standard {

/// What flanneld writes for the node. Source: flannel's Documentation/running.md, subnet.env.
struct FlannelSubnet {
  std::vector<IpPrefix> networks;  ///< of the cluster, IPv4 before IPv6
  std::vector<IpPrefix> subnets;   ///< of this node, at most one of each family
  std::uint32_t mtu = 0;
  bool masquerades = false;  ///< flanneld does it

  /// `path` is for messages. Throws Error{config} naming line and variable, or what is missing.
  static FlannelSubnet parse(std::string_view text, const std::string& path);
};

/// What the network configuration itself says. Nothing of it comes from flanneld: that is FlannelSubnet's.
struct FlannelConfig {
  std::string subnet_file;
  std::string data_dir;
  boost::json::object delegate;  ///< as written

  /// Throws Error{config} naming the key; also for what flannel itself sets in the delegate.
  static FlannelConfig parse(const JsonView& root);
};

/// `<data_dir>/<container>`: where the reference plugin keeps the delegate's configuration for DEL.
std::string flannel_file(const std::string& data_dir, const std::string& container_id);

/// The configuration to call the delegate with: the one written, filled up from the node's subnet, as the reference
/// plugin fills it up.
boost::json::object delegate_config(const cni::NetConf& conf, const FlannelConfig& config, const FlannelSubnet& subnet);

}  // namespace barewire::standard
