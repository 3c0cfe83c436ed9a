// SPDX-License-Identifier: Apache-2.0
/// Waiting for ovs-vswitchd: watches how far it has got with the configuration and, if wanted, one Interface row. Used
/// by bridge.cc and port.cc; works on ovsdb/monitor.h. Source: ovs-vswitchd.conf.db(5), Open_vSwitch.cur_cfg.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ovs-plugin/bridge.h"

namespace barewire::ovs {

struct Progress {
  std::int64_t carried_out = 0;  ///< Open_vSwitch.cur_cfg
  bool interface_exists = false;
  std::optional<std::int64_t> ofport;  ///< -1: ovs-vswitchd could not add it
  std::string error;                   ///< why not
  bool link_up = false;
};

/// Returns as soon as `enough` says so, or with what is known at the deadline. `interface` may be null. Uses a monitor
/// of the two rows, or, with a server that has none with conditions, repeated `wait` operations (RFC 7047, 5.2.6).
Progress watch_progress(Connection& connection, const Uuid& root, const Uuid* interface,
                        const std::function<bool(const Progress&)>& enough, Deadline deadline);

}  // namespace barewire::ovs
