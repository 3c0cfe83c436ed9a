// SPDX-License-Identifier: Apache-2.0
// The operator's own keys say as much as they can: `assigned` is a string that its schema keeps, so the pod's name is
// there whichever CRDs the cluster has.
#include "device-manager/cluster/node_state.h"

#include <algorithm>
#include <boost/json/array.hpp>

#include "core/state/allocation.h"
#include "device-manager/cluster/objects.h"

namespace barewire::cluster {
namespace {

namespace json = boost::json;

std::string hex(std::uint16_t id) {
  return fmt::format("{:04x}", id);
}

/// Who has it, else to whom it is promised.
const state::Pod* pod_of(const manager::VfEntry& entry) {
  if (entry.holder && !entry.holder->pod.name.empty()) return &entry.holder->pod;
  if (entry.allocation && !entry.allocation->pod.name.empty()) return &entry.allocation->pod;
  return nullptr;
}

json::object vf_json(const manager::VfEntry& entry) {
  const vf::Vf& vf = entry.vf;
  json::object result{{"vfID", vf.id},
                      {"pciAddress", vf.pci.address},
                      {"driver", vf.pci.driver},
                      {"vendor", hex(vf.pci.vendor)},
                      {"deviceID", hex(vf.pci.device)}};
  if (vf.link) {
    result["name"] = vf.link->name;
    result["mtu"] = vf.link->mtu;
  }
  if (vf.info && vf.info->mac) result["mac"] = vf.info->mac->text();
  if (vf.info && vf.info->vlan != 0) result["Vlan"] = vf.info->vlan;
  if (const state::Pod* pod = pod_of(entry)) {
    result["assigned"] = fmt::format("{}/{}", pod->name_space, pod->name);
    json::object who{{"namespace", pod->name_space}, {"name", pod->name}, {"uid", pod->uid}};
    if (entry.holder) {
      who["network"] = entry.holder->id.network;
      who["interface"] = entry.holder->id.ifname;
    }
    result["pod"] = std::move(who);
  }
  return result;
}

json::object pf_json(const manager::PfEntry& entry, bool external) {
  const vf::Pf& pf = entry.pf;
  json::object result{{"pciAddress", pf.pci.address},   {"driver", pf.pci.driver},     {"vendor", hex(pf.pci.vendor)},
                      {"deviceID", hex(pf.pci.device)}, {"numVfs", entry.enabled_vfs}, {"totalvfs", pf.total_vfs}};
  constexpr std::uint16_t kInfiniband = 32;  // ARPHRD_INFINIBAND
  if (pf.link) {
    result["name"] = pf.link->name;
    result["mtu"] = pf.link->mtu;
    result["mac"] = pf.link->mac ? pf.link->mac->text() : pf.link->hardware_address;
    result["linkType"] = pf.link->arp_type == kInfiniband ? "IB" : "ETH";
    result["linkAdminState"] = pf.link->is_up() ? "up" : "down";
    json::array names;
    for (const std::string& each : pf.link->alt_names) names.emplace_back(each);
    if (!names.empty()) result["altNames"] = std::move(names);
  }
  if (entry.speed_mbps) result["linkSpeed"] = fmt::format("{} Mb/s", *entry.speed_mbps);
  if (entry.eswitch) result["eSwitchMode"] = *entry.eswitch == kernel::EswitchMode::switchdev ? "switchdev" : "legacy";
  if (external) result["externallyManaged"] = true;
  json::array vfs;
  for (const manager::VfEntry& each : entry.vfs) vfs.emplace_back(vf_json(each));
  if (!vfs.empty()) result["Vfs"] = std::move(vfs);
  return result;
}

std::string word(Sync::State state) {
  if (state == Sync::State::succeeded) return "Succeeded";
  return state == Sync::State::failed ? "Failed" : "InProgress";
}

json::object ready_condition(const Sync& sync, const json::value& current, const std::string& now) {
  json::object condition{{"type", "Ready"},
                         {"status", sync.state == Sync::State::succeeded ? "True" : "False"},
                         {"reason", word(sync.state)},
                         {"message", sync.message},
                         {"lastTransitionTime", now}};
  const auto* before = current.is_object() ? current.get_object().if_contains("conditions") : nullptr;
  if (before == nullptr || !before->is_array()) return condition;
  for (const json::value& each : before->get_array())
    if (text_at(each, {"type"}) == "Ready" && text_at(each, {"status"}) == text_at(condition, {"status"}))
      condition["lastTransitionTime"] = text_at(each, {"lastTransitionTime"});
  return condition;
}

bool is_same_object(const json::object& wanted, const json::object& current) {
  for (const auto& [key, value] : wanted) {
    const json::value* now = current.if_contains(key);
    const bool may_be_dropped = key == "pod" || key == "conditions";
    if (now == nullptr ? !may_be_dropped : !is_same_status(value, *now)) return false;
  }
  return std::all_of(current.begin(), current.end(), [&](const auto& each) { return wanted.contains(each.key()); });
}

}  // namespace

json::object node_status(const manager::Snapshot& snapshot, const Sync& sync, const std::set<std::string>& external,
                         const json::value& current, const std::string& now) {
  json::array interfaces;
  for (const manager::PfEntry& each : snapshot.pfs)
    interfaces.emplace_back(pf_json(each, external.contains(each.pf.pci.address)));
  return {{"syncStatus", word(sync.state)},
          {"lastSyncError", sync.state == Sync::State::failed ? sync.message : ""},
          {"interfaces", std::move(interfaces)},
          {"conditions", json::array{ready_condition(sync, current, now)}}};
}

bool is_same_status(const json::value& wanted, const json::value& current) {
  if (wanted.is_object() && current.is_object()) return is_same_object(wanted.get_object(), current.get_object());
  if (!wanted.is_array() || !current.is_array()) return wanted == current;
  const auto &a = wanted.get_array(), &b = current.get_array();
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), is_same_status);
}

NodeStateObject::NodeStateObject(kubernetes::Api& api, std::string name_space, const json::value& node)
    : api_(api),
      name_space_(std::move(name_space)),
      node_(text_at(node, {"metadata", "name"})),
      node_uid_(text_at(node, {"metadata", "uid"})) {}

json::value NodeStateObject::create_object() const {
  json::object owner{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node_}, {"uid", node_uid_}};
  return create(api_, path_of(kSriovApi, name_space_, "sriovnetworknodestates"),
                json::object{{"apiVersion", kSriovVersion},
                             {"kind", "SriovNetworkNodeState"},
                             {"metadata", json::object{{"name", node_},
                                                       {"namespace", name_space_},
                                                       {"ownerReferences", json::array{std::move(owner)}}}},
                             {"spec", json::object()}});
}

void NodeStateObject::write(const manager::Snapshot& snapshot, const Sync& sync,
                            const std::set<std::string>& external) {
  const std::string path = path_of(kSriovApi, name_space_, "sriovnetworknodestates", node_);
  auto found = find_object(api_, path);
  json::value object = found ? *std::move(found) : create_object();
  json::value current;
  if (object.is_object())
    if (const auto* status = object.get_object().if_contains("status")) current = *status;
  json::value wanted = node_status(snapshot, sync, external, current, state::now_text());
  if (is_same_status(wanted, current)) return;
  object.as_object()["status"] = std::move(wanted);
  replace(api_, path + "/status", object);
}

}  // namespace barewire::cluster
