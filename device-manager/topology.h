// SPDX-License-Identifier: Apache-2.0
/// The node as one picture: NUMA nodes, PFs and their VFs, representors, the switch's bridges, pools, pods. Put
/// together from snapshot.h, switch_snapshot.h, inventory/pool_count.h and traffic.h. `barewire topology` draws it as
/// text and SVG, the daemon's page as HTML; topology_json.cc is the form that both share. Reading it changes nothing.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/inventory/pool_count.h"
#include "device-manager/snapshot.h"
#include "device-manager/switch_snapshot.h"
#include "device-manager/traffic.h"

namespace barewire::manager {

/// Of one moment, but for its parts being read one after another.
struct Topology {
  std::string node;  ///< the host's name
  Snapshot snapshot;
  std::map<std::string, std::string> representors{};  ///< by the VF's PCI address: a netdev
  std::optional<SwitchSnapshot> vswitch{};            ///< absent: none runs here, or it does not answer
  std::vector<inventory::PoolCount> pools{};
  Traffic traffic{};                    ///< without rates
  std::vector<std::string> problems{};  ///< parts that could not be read, and what is wrong with the node's files
};

/// How to look.
struct TopologyLook {
  DriftFinders find_drift{};
  std::string pools_file{};      ///< empty: the default places
  ovsdb::Endpoint database{};    ///< a socket that is not there: no switch runs here
  bool asks_for_switch = false;  ///< a switch that does not answer is a problem even where its socket is not there
};
/// A part that cannot be read is left out and told in `problems`. Throws Error when sysfs or rtnetlink cannot be read
/// at all.
Topology take_topology(const Node& node, const TopologyLook& look);

/// How a PF's port is.
enum class PfHealth { well, no_carrier, down, no_netdev };
/// no_netdev: it is not in this netns, or on a driver of user space.
PfHealth health_of(const PfEntry& pf);
/// "well", "no carrier", "down", "no netdev".
std::string_view text_of(PfHealth health);

/// Where a VF is plugged in on the switch.
struct PortPlace {
  const BridgeEntry* bridge = nullptr;
  const PortEntry* port = nullptr;
};
/// By the VF's PCI address: the port that is its representor, or that its holder made. Points into `topology`.
std::map<std::string, PortPlace> ports_of_vfs(const Topology& topology);

/// By NUMA node, in order; those of no node (-1: the platform does not say) last. Points into `topology`.
std::vector<std::pair<int, std::vector<const PfEntry*>>> by_numa_node(const Topology& topology);

/// The VLAN that the PF puts the VF in; nullopt: none, or the PF does not tell.
std::optional<std::uint16_t> vlan_of(const VfEntry& vf);
/// The address that the PF has set, else the netdev's; "" when neither is known.
std::string mac_of(const VfEntry& vf);
/// The pod that has it, or that it is promised to; nullptr: none is known.
const state::Pod* pod_of(const VfEntry& vf);

/// The form that docs/observability.md describes; `traffic` stands by itself, as it changes all the time.
boost::json::object to_json(const Topology& topology);
boost::json::object to_json(const Traffic& traffic);

}  // namespace barewire::manager
