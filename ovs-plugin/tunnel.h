// SPDX-License-Identifier: Apache-2.0
/// Tunnels from a bridge to the same bridge on other nodes, as long as a pod's port wants them. The reference is a key
/// in external_ids of the pod's port, so it goes with that port however that goes, and nothing is counted. Source:
/// ovs-vswitchd.conf.db(5), table Interface, "Tunnel Options".
#pragma once

#include <string>
#include <vector>

#include "ovs-plugin/bridge.h"
#include "ovs-plugin/layered_config.h"
#include "ovs-plugin/port.h"

namespace barewire::ovs {

/// One tunnel port; its name follows from the bridge and from all the rest, so that networks share it.
struct Tunnel {
  std::string type;  ///< vxlan, geneve, gre
  StringMap options;
  std::string name(const std::string& bridge) const;
};

/// Key `tunnel`: one for each of `remotes` that is not an address of this node. Throws Error{config}.
std::vector<Tunnel> parse_tunnels(const LayeredConfig& config);

/// external_ids for the port of a pod that wants `tunnels`.
StringMap references_to(const std::vector<Tunnel>& tunnels, const std::string& bridge);
/// Whether a port's external_ids hold such a reference.
bool refers_to_tunnel(const StringMap& external_ids);
/// Whether `key` is one that references have.
bool is_reference_key(std::string_view key);

/// Adds those that are missing; the port with the references must be there already, or they may go again meanwhile.
/// Throws as add_port and wait_for_port.
void ensure_tunnels(Connection& connection, const Bridge& bridge, const std::vector<Tunnel>& tunnels);
/// Deletes every tunnel of ours that no port refers to.
void drop_unused_tunnels(Connection& connection, ovsdb::Deadline deadline);

/// What is not as it should be, for CHECK.
std::vector<std::string> compare_tunnels(Connection& connection, const std::string& bridge,
                                         const std::vector<Tunnel>& tunnels);

}  // namespace barewire::ovs
