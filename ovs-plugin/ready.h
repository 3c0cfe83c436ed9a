// SPDX-License-Identifier: Apache-2.0
/// What ADD and STATUS of every plugin of this folder need first: a database, the bridge in it, a switch that serves
/// it.
#pragma once

#include <string>

#include "ovs-plugin/bridge.h"

namespace barewire::ovs {

/// Throws LackError{bridge}, an Error{device}, when the database has no such bridge.
Bridge require_bridge(Connection& connection, const std::string& name);

/// For a vhost-user port: throws Error{device} when the bridge has the kernel's datapath, or the switch no DPDK.
void require_dpdk(Connection& connection, const Bridge& bridge);

/// For STATUS: throws LackError, an Error{not_available}, whatever is missing, since ADD could not be served.
void require_switch(const ovsdb::Endpoint& endpoint, const std::string& bridge, bool by_dpdk = false);

}  // namespace barewire::ovs
