// SPDX-License-Identifier: Apache-2.0
/// host-local's part of a network configuration, validated, in the reference plugin's keys and its old form ("subnet"
/// beside "ranges"). plugin.cc acts on it. Keys: docs/configuration/host-local.md.
#pragma once

#include <string>
#include <vector>

#include "core/cni/request.h"
#include "core/node.h"
#include "ipam/host_local/range.h"

namespace barewire::ipam::host_local {

/// What ADD, CHECK and STATUS go by. DEL and GC need the directory alone, and no valid configuration.
struct Config {
  std::vector<RangeSet> range_sets;  ///< one address from each, in this order
  std::vector<IpAddress> requested;  ///< each to be taken from the set that holds it
  std::vector<cni::Route> routes;
  cni::Dns dns;                ///< of "resolvConf"
  bool strict_status = false;  ///< STATUS fails while no address is free

  /// Throws Error{config} naming the key, its value and what was expected.
  static Config parse(const cni::Request& request);
};

/// Where the network's reservations are: <"ipam.dataDir">/<"name">. For a DEL any other part may be wrong, and a
/// dataDir that is no string counts as absent; otherwise throws Error{config}.
std::string reservation_directory(const cni::Request& request, const Node& node);
/// Where the indexes of all networks are. Below the run directory: lost with a reboot, and made anew from the
/// reservations.
std::string index_directory(const Node& node);

}  // namespace barewire::ipam::host_local
