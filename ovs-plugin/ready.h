// SPDX-License-Identifier: Apache-2.0
/// What ADD and STATUS of every plugin of this folder need first: a database, the bridge in it, a switch that serves
/// it. Asks, changes nothing. What is missing is a LackError, by which a fallback is chosen (core/cni/fallback.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ovs-plugin/bridge.h"

namespace barewire::ovs {

/// Throws LackError{bridge}, an Error{device}, when the database has no such bridge.
Bridge require_bridge(Connection& connection, const std::string& name);

/// For `ports` (as "afxdp ports"): throws Error{device} when the bridge has the kernel's datapath.
void require_userspace(const Bridge& bridge, std::string_view ports);
/// For ports of DPDK: as require_userspace, and when the switch has no DPDK.
void require_dpdk(Connection& connection, const Bridge& bridge, std::string_view ports);
/// Throws Error{device} unless this build of the switch knows interfaces of `type`.
void require_interface_type(Connection& connection, const std::string& type);

/// Runs a step of STATUS: whatever it throws is Error{not_available}, since ADD could not be served, and a LackError
/// where ADD would throw one.
void answering_status(const std::function<void()>& step);

/// For STATUS: throws as answering_status when no switch serves the database, or it has not got `bridge`. An empty one
/// is chosen by ADD; `dpdk_ports` as above, empty: none are wanted.
void require_switch(const ovsdb::Endpoint& endpoint, const std::string& bridge, std::string_view dpdk_ports = {});

}  // namespace barewire::ovs
