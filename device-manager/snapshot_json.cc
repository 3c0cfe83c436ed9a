// SPDX-License-Identifier: Apache-2.0
// Keys here are a promise to programs: they are added, never renamed.
#include "device-manager/snapshot_json.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>

#include "core/kernel/vf.h"
#include "core/utf8.h"

namespace barewire::manager {

namespace json = boost::json;

namespace {

// null for "not known": an empty string would have to be told from a value by every reader.
json::value mac_or_null(const std::optional<MacAddress>& mac) {
  return mac ? json::value(mac->text()) : json::value(nullptr);
}

json::array strings(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

std::string_view text_of(kernel::VfLinkState state) {
  switch (state) {
    case kernel::VfLinkState::automatic:
      return "auto";
    case kernel::VfLinkState::enable:
      return "enable";
    case kernel::VfLinkState::disable:
      return "disable";
  }
  return "";
}

json::value link_json(const std::optional<kernel::Link>& link) {
  if (!link) return nullptr;
  return json::object{{"name", link->name},
                      {"altNames", strings(link->alt_names)},
                      {"mac", mac_or_null(link->mac)},
                      {"mtu", link->mtu},
                      {"up", link->is_up()},
                      {"carrier", link->carrier}};
}

/// The keys are there always, null where the driver does not report the attribute, or no VF at all: a program that
/// reads them need not ask first whether they are there.
json::object attributes_json(const std::optional<kernel::VfInfo>& info) {
  if (!info) {
    return {{"adminMac", nullptr},  {"vlan", nullptr},      {"vlanQoS", nullptr},
            {"vlanProto", nullptr}, {"spoofchk", nullptr},  {"trust", nullptr},
            {"linkState", nullptr}, {"minTxRate", nullptr}, {"maxTxRate", nullptr}};
  }
  return {{"adminMac", mac_or_null(info->mac)},
          {"vlan", info->vlan},
          {"vlanQoS", info->qos},
          {"vlanProto", info->vlan_proto == kernel::VlanProto::dot1ad ? "802.1ad" : "802.1q"},
          {"spoofchk", or_null(info->spoof_check)},
          {"trust", or_null(info->trust)},
          {"linkState", info->link_state ? json::value(text_of(*info->link_state)) : json::value(nullptr)},
          {"minTxRate", info->min_tx_rate},
          {"maxTxRate", info->max_tx_rate}};
}

json::value eswitch_json(const std::optional<kernel::EswitchMode>& mode) {
  if (!mode) return nullptr;
  return *mode == kernel::EswitchMode::switchdev ? "switchdev" : "legacy";
}

json::value fallback_json(const std::optional<cni::FallbackRecord>& fallback) {
  if (!fallback) return nullptr;
  return json::object{{"type", fallback->type}, {"when", fallback->when}, {"because", fallback->because}};
}

json::value allocation_json(const std::optional<state::Allocation>& allocation) {
  if (!allocation) return nullptr;
  const state::Pod& pod = allocation->pod;
  return json::object{{"by", allocation->by},
                      {"owner", allocation->owner},
                      {"pod", pod.name.empty() ? json::value(nullptr)
                                               : json::value(json::object{{"namespace", pod.name_space},
                                                                          {"name", pod.name},
                                                                          {"uid", text_or_null(pod.uid)}})},
                      {"container", text_or_null(allocation->container)},
                      {"since", text_or_null(allocation->since)}};
}

json::object other_json(const OtherAttachment& other) {
  return {{"holder", holder_json(other.attachment)},
          {"device", text_or_null(other.device)},
          {"drift", other.drift ? json::value(strings(*other.drift)) : json::value(nullptr)},
          {"fallback", fallback_json(other.fallback)}};
}

/// Boost.JSON writes everything on one line, and people read this too.
void pretty_into(std::string& text, const json::value& value, std::size_t indent);

template <typename Container, typename Print>
void pretty_members(std::string& text, const Container& members, std::size_t indent, std::string_view brackets,
                    const Print& print) {
  text += brackets[0];
  bool first = true;
  for (const auto& member : members) {
    text += first ? "\n" : ",\n";
    first = false;
    text.append(indent + 2, ' ');
    print(member);
  }
  if (!first) text.append("\n").append(indent, ' ');
  text += brackets[1];
}

void pretty_into(std::string& text, const json::value& value, std::size_t indent) {
  if (const json::object* object = value.if_object()) {
    pretty_members(text, *object, indent, "{}", [&](const json::key_value_pair& member) {
      text += replace_bytes(json::serialize(member.key())) + ": ";
      pretty_into(text, member.value(), indent + 2);
    });
  } else if (const json::array* array = value.if_array()) {
    pretty_members(text, *array, indent, "[]",
                   [&](const json::value& element) { pretty_into(text, element, indent + 2); });
  } else {
    text += replace_bytes(json::serialize(value));  // names in the kernel may be any bytes
  }
}

}  // namespace

json::object holder_json(const state::Attachment& attachment) {
  return {{"network", attachment.id.network},
          {"containerID", attachment.id.container_id},
          {"ifname", attachment.id.ifname},
          {"plugin", attachment.id.plugin},
          {"netns", attachment.netns},
          {"pod", attachment.pod.name.empty() ? json::value(nullptr)
                                              : json::value(json::object{{"namespace", attachment.pod.name_space},
                                                                         {"name", attachment.pod.name},
                                                                         {"uid", attachment.pod.uid}})},
          {"since", attachment.since}};
}

json::object to_json(const VfEntry& entry) {
  const kernel::PciFunction& pci = entry.vf.pci;
  json::object object{{"id", entry.vf.id},
                      {"pci", pci.address},
                      {"driver", text_or_null(pci.driver)},
                      {"iommuGroup", or_null(pci.iommu_group)},
                      {"netdev", link_json(entry.vf.link)},
                      {"attributes", attributes_json(entry.vf.info)},
                      {"state", key_of(entry.state)}};
  object["why"] = text_or_null(entry.why);
  object["holder"] = entry.holder ? json::value(holder_json(*entry.holder)) : json::value(nullptr);
  object["drift"] = strings(entry.drift);
  object["allocation"] = allocation_json(entry.allocation);
  object["rxBytes"] = or_null(entry.rx_bytes);
  object["txBytes"] = or_null(entry.tx_bytes);
  return object;
}

json::object to_json(const PfEntry& entry) {
  json::array vfs;
  for (const VfEntry& vf : entry.vfs) vfs.emplace_back(to_json(vf));
  return {{"name", entry.name()},
          {"pci", entry.pf.pci.address},
          {"driver", text_or_null(entry.pf.pci.driver)},
          {"model", text_or_null(entry.model)},
          {"profile", entry.profile},
          // The kernel's -1 says that it does not know.
          {"numaNode", entry.pf.pci.numa_node < 0 ? json::value(nullptr) : json::value(entry.pf.pci.numa_node)},
          {"eswitch", eswitch_json(entry.eswitch)},
          {"netdev", link_json(entry.pf.link)},
          {"speedMbps", or_null(entry.speed_mbps)},
          {"vfsTotal", entry.pf.total_vfs},
          {"vfsEnabled", entry.enabled_vfs},
          {"vfsFree", entry.free_vfs},
          {"vfs", std::move(vfs)}};
}

json::object to_json(const Snapshot& snapshot) {
  json::array pfs, attachments, unreadable;
  for (const PfEntry& pf : snapshot.pfs) pfs.emplace_back(to_json(pf));
  for (const OtherAttachment& other : snapshot.others) attachments.emplace_back(other_json(other));
  for (const auto& [path, error] : snapshot.unreadable) {
    unreadable.emplace_back(json::object{{"path", path}, {"error", error}});
  }
  return {{"format", kSnapshotFormat},
          {"pfs", std::move(pfs)},
          {"attachments", std::move(attachments)},
          {"unreadableRecords", std::move(unreadable)},
          {"problems", strings(snapshot.problems)}};
}

std::string pretty(const json::value& value) {
  std::string text;
  pretty_into(text, value, 0);
  return text + "\n";
}

}  // namespace barewire::manager
