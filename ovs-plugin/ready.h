// SPDX-License-Identifier: Apache-2.0
/// What ADD and STATUS of every plugin of this folder need first: a database, the bridge in it, a switch that serves
/// it.
#pragma once

#include <string>

#include "ovs-plugin/bridge.h"

namespace barewire::ovs {

/// Throws LackError{bridge}, an Error{device}, when the database has no such bridge.
Bridge require_bridge(Connection& connection, const std::string& name);

/// For STATUS: throws LackError, an Error{not_available}, whatever is missing, since ADD could not be served.
void require_switch(const ovsdb::Endpoint& endpoint, const std::string& bridge);

}  // namespace barewire::ovs
