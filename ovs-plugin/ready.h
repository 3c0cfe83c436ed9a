// SPDX-License-Identifier: Apache-2.0
/// What ADD and STATUS of every plugin of this folder need first: a database, the bridge in it, a switch that serves
/// it.
#pragma once

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

/// For STATUS: throws LackError, an Error{not_available}, whatever is missing, since ADD could not be served. An empty
/// `bridge` is one that ADD chooses; `dpdk_ports` as above, empty: none are wanted.
void require_switch(const ovsdb::Endpoint& endpoint, const std::string& bridge, std::string_view dpdk_ports = {});

}  // namespace barewire::ovs
