// SPDX-License-Identifier: Apache-2.0
// What `barewire topology -o json` prints and the page draws. Its keys are a promise to programs: added, never renamed;
// what is not known is null. A VF has few of them: a node may have five hundred, and a browser reads them all.
#include <boost/json/array.hpp>

#include "device-manager/snapshot_json.h"
#include "device-manager/topology.h"

namespace barewire::manager {
namespace {

namespace json = boost::json;

json::array strings(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

json::value pod_json(const state::Pod* pod) {
  if (pod == nullptr) return nullptr;
  return json::object{{"namespace", pod->name_space}, {"name", pod->name}};
}

json::value offload_json(const PortEntry* port) {
  if (port == nullptr || !port->offload) return nullptr;
  return json::object{{"flows", port->offload->flows},
                      {"inHardware", port->offload->in_hardware},
                      {"share", or_null(share_of(*port->offload))},
                      {"why", text_or_null(why_in_software(*port->offload))}};
}

json::value holder_json_of(const VfEntry& vf) {
  if (!vf.holder) return nullptr;
  const state::AttachmentId& id = vf.holder->id;
  return json::object{{"network", id.network},
                      {"containerID", id.container_id},
                      {"ifname", id.ifname},
                      {"plugin", id.plugin},
                      {"since", vf.holder->since}};
}

/// What stands around a VF in the picture.
struct Surroundings {
  std::map<std::string, PortPlace> ports;
  std::map<std::string, std::string> pools;  ///< by device: the resource
};

json::object vf_json(const Topology& topology, const Surroundings& around, const VfEntry& vf) {
  const std::string& pci = vf.vf.pci.address;
  const auto find = [&](const std::map<std::string, std::string>& in) {
    const auto found = in.find(pci);
    return found == in.end() ? json::value(nullptr) : json::value(found->second);
  };
  const auto place = around.ports.find(pci);
  const PortEntry* port = place == around.ports.end() ? nullptr : place->second.port;
  return {{"id", vf.vf.id},
          {"pci", pci},
          {"state", key_of(vf.state)},
          {"why", text_or_null(vf.why)},
          {"driver", text_or_null(vf.vf.pci.driver)},
          {"netdev", vf.vf.link ? json::value(vf.vf.link->name) : json::value(nullptr)},
          {"mac", text_or_null(mac_of(vf))},
          {"vlan", or_null(vlan_of(vf))},
          {"pod", pod_json(pod_of(vf))},
          {"holder", holder_json_of(vf)},
          {"drift", strings(vf.drift)},
          {"pool", find(around.pools)},
          {"representor", find(topology.representors)},
          {"bridge", port == nullptr ? json::value(nullptr) : json::value(place->second.bridge->name)},
          {"port", port == nullptr ? json::value(nullptr) : json::value(port->name)},
          {"offload", offload_json(port)}};
}

std::string health_key(PfHealth health) {
  std::string key(text_of(health));
  std::replace(key.begin(), key.end(), ' ', '_');
  return key;
}

json::value eswitch_json(const PfEntry& pf) {
  if (!pf.eswitch) return nullptr;
  return *pf.eswitch == kernel::EswitchMode::switchdev ? "switchdev" : "legacy";
}

json::object pf_json(const Topology& topology, const Surroundings& around, const PfEntry& pf) {
  json::array vfs;
  for (const VfEntry& vf : pf.vfs) vfs.emplace_back(vf_json(topology, around, vf));
  return {{"name", pf.name()},
          {"pci", pf.pf.pci.address},
          {"driver", text_or_null(pf.pf.pci.driver)},
          {"model", text_or_null(pf.model)},
          {"eswitch", eswitch_json(pf)},
          {"health", health_key(health_of(pf))},
          {"speedMbps", or_null(pf.speed_mbps)},
          {"problems", strings(pf.problems)},
          {"vfsTotal", pf.pf.total_vfs},
          {"vfsEnabled", pf.enabled_vfs},
          {"vfsFree", pf.free_vfs},
          {"vfs", std::move(vfs)}};
}

json::array pools_json(const Topology& topology) {
  json::array pools;
  for (const inventory::PoolCount& pool : topology.pools)
    pools.emplace_back(json::object{
        {"resource", pool.resource}, {"devices", pool.total}, {"allocated", pool.allocated}, {"free", pool.free}});
  return pools;
}

json::array others_json(const Topology& topology) {
  json::array others;
  for (const OtherAttachment& other : topology.snapshot.others)
    others.emplace_back(
        json::object{{"holder", holder_json(other.attachment)}, {"device", text_or_null(other.device)}});
  return others;
}

}  // namespace

json::object to_json(const Traffic& traffic) {
  json::object result;
  for (const auto& [pci, each] : traffic)
    result[pci] = json::object{{"rxBytes", or_null(each.rx_bytes)},
                               {"txBytes", or_null(each.tx_bytes)},
                               {"rxRate", or_null(each.rx_rate)},
                               {"txRate", or_null(each.tx_rate)}};
  return result;
}

json::object to_json(const Topology& topology) {
  Surroundings around{ports_of_vfs(topology), {}};
  for (const inventory::PoolCount& pool : topology.pools)
    for (const std::string& device : pool.devices) around.pools.emplace(device, pool.resource);
  json::array nodes;
  for (const auto& [number, pfs] : by_numa_node(topology)) {
    json::array list;
    for (const PfEntry* pf : pfs) list.emplace_back(pf_json(topology, around, *pf));
    nodes.emplace_back(
        json::object{{"id", number < 0 ? json::value(nullptr) : json::value(number)}, {"pfs", std::move(list)}});
  }
  return {{"format", kSnapshotFormat},
          {"node", topology.node},
          {"numaNodes", std::move(nodes)},
          {"switch", topology.vswitch ? json::value(to_json(*topology.vswitch)) : json::value(nullptr)},
          {"pools", pools_json(topology)},
          {"attachments", others_json(topology)},
          {"problems", strings(topology.problems)},
          {"traffic", to_json(topology.traffic)}};
}

}  // namespace barewire::manager
