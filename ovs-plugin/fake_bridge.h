// SPDX-License-Identifier: Apache-2.0
/// Fake bridges: one VLAN of a bridge under a name of its own, as `ovs-vsctl add-br NAME PARENT VLAN` makes them. A
/// port "on" one is a port of the parent with that tag. Source: ovs-vsctl(8), "Bridge Commands";
/// ovs-vswitchd.conf.db(5), column Port.fake_bridge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ovs-plugin/bridge.h"
#include "ovs-plugin/ovs_config.h"

namespace barewire::ovs {

/// What stands behind such a name: the bridge that has the ports, and the VLAN that they get.
struct FakeBridge {
  Bridge parent;
  std::int64_t tag = 0;
};
/// nullopt when there is none of that name. Throws as Connection::call.
std::optional<FakeBridge> find_fake_bridge(Connection& connection, const std::string& name, Deadline deadline);

/// The bridge of that name, or the parent of the fake one. Throws as bridge_for.
Bridge require_bridge_or_parent(Connection& connection, const std::string& name);

/// The bridge for `config`. Of a fake one it is the parent, and `config` then names parent and VLAN.
/// Throws LackError{bridge}, an Error{device}, when there is none; Error{config} for VLANs of its own on a fake bridge.
Bridge bridge_for(Connection& connection, OvsConfig& config);

}  // namespace barewire::ovs
