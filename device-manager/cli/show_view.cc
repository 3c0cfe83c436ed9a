// SPDX-License-Identifier: Apache-2.0
// Names of sysfs and records are somebody else's words, and are shown as such.
// Every value goes through printable(): a link's alias or a record's key could hold escapes that act on the terminal.
#include "device-manager/cli/show_view.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "device-manager/cli/list_view.h"

namespace barewire::cli {

namespace json = boost::json;

namespace {

std::string text_of(const Look& dead) {
  if (dead.is_unknown()) return fmt::format("  (whether it lives cannot be told: {})", dead.why());
  return dead.is_yes() ? "  (gone)" : "";
}

std::string yes_no(bool value) {
  return value ? "yes" : "no";
}

std::string on_off(const std::optional<bool>& value) {
  return !value ? "not reported" : *value ? "on" : "off";
}

std::string link_state_text(const std::optional<kernel::VfLinkState>& state) {
  if (!state) return "not reported";
  switch (*state) {
    case kernel::VfLinkState::automatic:
      return "auto: as the PF";
    case kernel::VfLinkState::enable:
      return "enable: always up";
    case kernel::VfLinkState::disable:
      return "disable: always down";
  }
  return "";
}

std::string id_text(const kernel::PciFunction& pci) {
  return fmt::format("{:04x}:{:04x}", pci.vendor, pci.device);
}

Section netdev_section(const std::optional<kernel::Link>& link) {
  if (!link) return {"Netdev", {{"netdev", "not in this netns"}}};
  return {"Netdev",
          {{"netdev", link->name},
           {"alternative names", fmt::format("{}", fmt::join(link->alt_names, ", "))},
           {"MAC", link->hardware_address},
           {"permanent MAC", link->perm_mac ? link->perm_mac->text() : ""},
           {"MTU", fmt::format("{}", link->mtu)},
           {"up", yes_no(link->is_up())},
           {"carrier", yes_no(link->carrier)}}};
}

Section attribute_section(const manager::PfEntry& pf, const vf::Vf& vf) {
  Section section{fmt::format("Attributes held by {}", pf.name()), {}};
  // A PF without a netdev here, or a driver without ndo_get_vf_config.
  if (!vf.info) {
    section.lines = {{"attributes", "the PF reports none"}};
    return section;
  }
  const kernel::VfInfo& info = *vf.info;
  const bool ad = info.vlan_proto == kernel::VlanProto::dot1ad;
  const auto rate = [](std::uint32_t mbps) { return mbps == 0 ? "no limit" : fmt::format("{} Mb/s", mbps); };
  section.lines = {{"admin MAC", info.mac ? info.mac->text() : ""},
                   {"VLAN", info.vlan == 0 ? "none" : fmt::format("{}, {}", info.vlan, ad ? "802.1ad" : "802.1q")},
                   {"VLAN priority", fmt::format("{}", info.qos)},
                   {"spoofchk", on_off(info.spoof_check)},
                   {"trust", on_off(info.trust)},
                   {"link state", link_state_text(info.link_state)},
                   {"min rate", info.min_tx_rate == 0 ? "none" : rate(info.min_tx_rate)},
                   {"max rate", rate(info.max_tx_rate)}};
  return section;
}

/// "original.vlan" "100": what a plugin keeps, whatever its shape.
void flatten(const json::value& value, const std::string& path, Section& section) {
  if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    for (const auto& member : *object) {
      flatten(member.value(), path.empty() ? std::string(member.key()) : path + "." + std::string(member.key()),
              section);
    }
    return;
  }
  section.lines.emplace_back(path, value.is_string() ? std::string(value.get_string()) : json::serialize(value));
}

Section kept_section(const state::Attachment& attachment) {
  Section section{"Kept for DEL and CHECK", {}};
  json::object kept = attachment.data;
  // The result is what the pod was told; its addresses are shown above in their own line.
  kept.erase("result");
  flatten(kept, "", section);
  return section;
}

std::string addresses_text(const state::Attachment& attachment) {
  std::string text;
  const json::value data(attachment.data);
  const auto result = JsonView(data, "record key", Error::Code::state).find("result");
  // Of any plugin and any version, so nothing of it is required: what is not understood is not shown.
  const auto ips = result && result->is_object() ? result->find("ips") : std::nullopt;
  if (!ips || !ips->is_array()) return text;
  for (const JsonView& ip : ips->array()) {
    if (ip.is_object()) text += (text.empty() ? "" : ", ") + ip.string_or("address", "?");
  }
  return text;
}

}  // namespace

std::vector<Section> describe_pf(const manager::PfEntry& pf) {
  const kernel::PciFunction& pci = pf.pf.pci;
  Section function{"PF " + pf.name(),
                   {{"PCI", pci.address},
                    {"PCI id", id_text(pci)},
                    {"driver", pci.driver},
                    {"model", pf.model},
                    {"profile", pf.profile},
                    {"NUMA node", pci.numa_node < 0 ? "" : fmt::format("{}", pci.numa_node)},
                    {"eswitch", !pf.eswitch                                     ? "none"
                                : *pf.eswitch == kernel::EswitchMode::switchdev ? "switchdev"
                                                                                : "legacy"},
                    {"link", link_text(pf)},
                    {"VFs", fmt::format("{} of {}, {} free", pf.enabled_vfs, pf.pf.total_vfs, pf.free_vfs)}}};
  return {std::move(function), netdev_section(pf.pf.link)};
}

std::vector<Section> describe_attachment(const state::Attachment& attachment, const Look& dead,
                                         const std::string& record_path) {
  Section holder{"Held by",
                 {{"network", attachment.id.network},
                  {"container", attachment.id.container_id},
                  {"interface", attachment.id.ifname},
                  {"netns", attachment.netns + text_of(dead)},
                  {"pod", attachment.pod.name.empty() ? "" : attachment.pod.name_space + "/" + attachment.pod.name},
                  {"pod UID", attachment.pod.uid},
                  {"since", attachment.since},
                  {"plugin", attachment.id.plugin},
                  {"IPAM", attachment.ipam_type},
                  {"addresses", addresses_text(attachment)},
                  {"record", record_path}}};
  std::vector<Section> sections{std::move(holder)};
  Section kept = kept_section(attachment);
  if (!kept.lines.empty()) sections.push_back(std::move(kept));
  return sections;
}

std::vector<Section> describe_vf(const manager::PfEntry& pf, const manager::VfEntry& entry, const Look& dead,
                                 const std::string& record_path) {
  const kernel::PciFunction& pci = entry.vf.pci;
  std::vector<Section> sections;
  sections.push_back({fmt::format("VF {} of {}", entry.vf.id, pf.name()),
                      {{"PCI", pci.address},
                       {"PCI id", id_text(pci)},
                       {"PF", fmt::format("{} {}", pf.name(), pf.pf.pci.address)},
                       {"driver", pci.driver},
                       {"IOMMU group", pci.iommu_group.value_or("")},
                       {"state", std::string(text_of(entry.state))},
                       {"because", entry.why}}});
  if (entry.allocation) sections.back().lines.emplace_back("promise", entry.allocation->text());
  for (const std::string& difference : entry.drift) sections.back().lines.emplace_back("drift", difference);
  sections.push_back(netdev_section(entry.vf.link));
  sections.push_back(attribute_section(pf, entry.vf));
  if (entry.holder) {
    for (Section& section : describe_attachment(*entry.holder, dead, record_path))
      sections.push_back(std::move(section));
  }
  return sections;
}

std::string render(const std::vector<Section>& sections, const Terminal& terminal) {
  std::size_t width = 0;
  for (const Section& section : sections) {
    for (const auto& [name, value] : section.lines) width = std::max(width, display_width(printable(name)));
  }
  std::string text;
  for (const Section& section : sections) {
    if (!text.empty()) text += "\n";
    text += terminal.paint(printable(section.title), Style::bold) + "\n";
    for (const auto& [name, value] : section.lines) {
      const std::string padding(width - display_width(printable(name)) + 2, ' ');
      text += "  " + terminal.paint(printable(name), Style::dim) + padding + (value.empty() ? "-" : printable(value)) +
              "\n";
    }
  }
  return text;
}

}  // namespace barewire::cli
