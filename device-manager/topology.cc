// SPDX-License-Identifier: Apache-2.0
// One reader for each thing: what is shown here is what `barewire list`, `ovs` and the pools say.
#include "device-manager/topology.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "core/vf/representor.h"

namespace barewire::manager {
namespace {

/// A part that fails takes no other away.
void try_part(Topology& topology, const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    topology.problems.emplace_back(error.what());
  }
}

std::string host_name() {
  utsname names{};
  return ::uname(&names) == 0 ? names.nodename : "";
}

void read_representors(const Node& node, Topology& topology) {
  const kernel::Sysfs sysfs(node.sysfs);
  for (const PfEntry& pf : topology.snapshot.pfs) {
    if (pf.eswitch != kernel::EswitchMode::switchdev || !pf.pf.link) continue;
    // Two PFs of a card may share one switch; their representors tell the PF by its PCI function number.
    const auto number = static_cast<std::uint16_t>(pf.pf.pci.address.back() - '0');
    for (const VfEntry& vf : pf.vfs)
      if (auto found = vf::find_representor(sysfs, {"pci", pf.pf.pci.address}, pf.pf.link->name, number, vf.vf.id))
        topology.representors[vf.vf.pci.address] = std::move(found->netdev);
  }
}

void read_switch(const TopologyLook& look, Topology& topology) {
  const bool is_there = look.database.scheme != ovsdb::Endpoint::Scheme::unix_socket ||
                        ::access(look.database.address.c_str(), F_OK) == 0;
  if (is_there || look.asks_for_switch) topology.vswitch = take_switch_snapshot(look.database);
}

void read_pools(const Node& node, const TopologyLook& look, Topology& topology) {
  const auto config = inventory::find_pools(look.pools_file);
  if (!config) return;
  topology.problems.insert(topology.problems.end(), config->problems.begin(), config->problems.end());
  topology.pools = inventory::count_pools(node, config->pools);
}

}  // namespace

Topology take_topology(const Node& node, const TopologyLook& look) {
  Topology topology{.node = host_name(), .snapshot = take_snapshot(node, look.find_drift)};
  for (const auto& [path, error] : topology.snapshot.unreadable) topology.problems.push_back(error);
  topology.problems.insert(topology.problems.end(), topology.snapshot.problems.begin(),
                           topology.snapshot.problems.end());
  try_part(topology, [&] { read_representors(node, topology); });
  try_part(topology, [&] { read_switch(look, topology); });
  try_part(topology, [&] { read_pools(node, look, topology); });
  try_part(topology, [&] { topology.traffic = read_traffic(topology.snapshot.pfs, topology.problems); });
  return topology;
}

PfHealth health_of(const PfEntry& pf) {
  if (!pf.pf.link) return PfHealth::no_netdev;
  if (!pf.pf.link->is_up()) return PfHealth::down;
  return pf.pf.link->carrier ? PfHealth::well : PfHealth::no_carrier;
}

std::string_view text_of(PfHealth health) {
  switch (health) {
    case PfHealth::well:
      return "well";
    case PfHealth::no_carrier:
      return "no carrier";
    case PfHealth::down:
      return "down";
    case PfHealth::no_netdev:
      return "no netdev";
  }
  return "";
}

std::map<std::string, PortPlace> ports_of_vfs(const Topology& topology) {
  std::map<std::string, PortPlace> by_netdev, result;
  std::map<state::AttachmentId, PortPlace> by_owner;
  if (!topology.vswitch) return result;
  for (const BridgeEntry& bridge : topology.vswitch->bridges) {
    for (const PortEntry& port : bridge.ports) {
      for (const std::string& netdev : port.interfaces) by_netdev[netdev] = {&bridge, &port};
      if (port.owner) by_owner[port.owner->id] = {&bridge, &port};
    }
  }
  for (const PfEntry& pf : topology.snapshot.pfs) {
    for (const VfEntry& vf : pf.vfs) {
      const auto representor = topology.representors.find(vf.vf.pci.address);
      const auto port =
          representor == topology.representors.end() ? by_netdev.end() : by_netdev.find(representor->second);
      const auto owned = vf.holder ? by_owner.find(vf.holder->id) : by_owner.end();
      if (port != by_netdev.end())
        result[vf.vf.pci.address] = port->second;
      else if (owned != by_owner.end())
        result[vf.vf.pci.address] = owned->second;
    }
  }
  return result;
}

std::vector<std::pair<int, std::vector<const PfEntry*>>> by_numa_node(const Topology& topology) {
  std::map<int, std::vector<const PfEntry*>> nodes;
  for (const PfEntry& pf : topology.snapshot.pfs) nodes[std::max(pf.pf.pci.numa_node, -1)].push_back(&pf);
  std::vector<std::pair<int, std::vector<const PfEntry*>>> result(nodes.begin(), nodes.end());
  if (!result.empty() && result.front().first < 0) std::rotate(result.begin(), result.begin() + 1, result.end());
  return result;
}

std::optional<std::uint16_t> vlan_of(const VfEntry& vf) {
  // The kernel tells "none" as 0.
  if (!vf.vf.info || vf.vf.info->vlan == 0) return std::nullopt;
  return vf.vf.info->vlan;
}

std::string mac_of(const VfEntry& vf) {
  // A VF whose admin MAC is zero chose its own address.
  if (vf.vf.info && vf.vf.info->mac && !vf.vf.info->mac->is_zero()) return vf.vf.info->mac->text();
  return vf.vf.link && vf.vf.link->mac ? vf.vf.link->mac->text() : "";
}

const state::Pod* pod_of(const VfEntry& vf) {
  if (vf.holder && !vf.holder->pod.name.empty()) return &vf.holder->pod;
  if (!vf.holder && vf.allocation && !vf.allocation->pod.name.empty()) return &vf.allocation->pod;
  return nullptr;
}

}  // namespace barewire::manager
