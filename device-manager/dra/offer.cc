// SPDX-License-Identifier: Apache-2.0
/// Attributes of devices. The API allows 32 of them and of capacities together, and 64 characters each. The server
/// refuses the whole slice for one that is too long or too many.
#include "device-manager/dra/offer.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <charconv>
#include <cmath>

#include "core/kernel/devlink.h"
#include "core/text.h"
#include "core/vf/inventory.h"
#include "core/vf/representor.h"
#include "hw-profiles/nic.h"

namespace barewire::dra {

namespace json = boost::json;

namespace {

constexpr std::size_t kLongestValue = 64;

/// Left out rather than cut: an expression that compares with a part of a name would choose the wrong device.
void put(json::object& attributes, std::string_view id, const std::string& value) {
  if (!value.empty() && value.size() <= kLongestValue) attributes[id] = json::object{{"string", value}};
}
void put(json::object& attributes, std::string_view id, std::int64_t value) {
  attributes[id] = json::object{{"int", value}};
}
void put(json::object& attributes, std::string_view id, bool value) {
  attributes[id] = json::object{{"bool", value}};
}

/// What others look for under these very names. Multus skips devices without both of k8s.cni.cncf.io; an auxiliary
/// device has no PCI address that it could be told by.
void put_standard(json::object& attributes, const Offer& offer) {
  const inventory::Device& device = offer.device;
  if (device.type != inventory::DeviceType::auxiliary) put(attributes, "resource.kubernetes.io/pciBusID", device.id);
  put(attributes, "resource.kubernetes.io/pcieRoot", device.pcie_root);
  if (device.numa_node >= 0)
    put(attributes, "resource.kubernetes.io/numaNode", static_cast<std::int64_t>(device.numa_node));
  put(attributes, "k8s.cni.cncf.io/deviceID", device.id);
  put(attributes, "k8s.cni.cncf.io/resourceName", offer.resource);
}

/// Names without a domain are in that of the driver. Source: resource.k8s.io/v1, type QualifiedName.
void put_own(json::object& attributes, const inventory::Device& device) {
  put(attributes, "vendor", device.vendor);
  put(attributes, "device", device.device);
  put(attributes, "driver", device.driver);
  put(attributes, "driverMode", inventory::driver_mode_of(device));
  put(attributes, "linkType", device.link_type);
  put(attributes, "pfName", device.pf_name());
  put(attributes, "pfPciAddress", device.pf);
  if (device.number >= 0) put(attributes, "vf", static_cast<std::int64_t>(device.number));
  put(attributes, "rdma", !device.rdma.empty());
  if (device.iommu_group) put(attributes, "iommuGroup", *device.iommu_group);
}

void put_nic(json::object& attributes, const inventory::Device& device, const NicFacts& facts) {
  put(attributes, "profile", facts.profile);
  put(attributes, "eswitchMode", facts.eswitch_mode);
  put(attributes, "pfSwitchID", facts.switch_id);
  put(attributes, "bond", facts.bond);
  if (facts.link_speed_mbps) put(attributes, "linkSpeedMbps", static_cast<std::int64_t>(*facts.link_speed_mbps));
  for (const auto& [name, able] : facts.can) put(attributes, name, able);
  const auto representor = facts.representors.find(static_cast<std::uint32_t>(std::max(device.number, 0)));
  if (representor != facts.representors.end()) put(attributes, "representor", representor->second);
}

/// What nobody knows is left out: `false` would keep claims away from a card that may well do it.
void add_abilities(NicFacts& facts, const hw::Profile& profile) {
  constexpr std::pair<const char*, hw::Attribute> kAbilities[] = {{"canTrust", hw::Attribute::trust},
                                                                  {"canQinQ", hw::Attribute::vlan_8021ad},
                                                                  {"canMinRate", hw::Attribute::min_tx_rate},
                                                                  {"canMaxRate", hw::Attribute::max_tx_rate}};
  for (const auto& [name, attribute] : kAbilities) {
    const hw::Capability& capability = profile.capability(attribute);
    if (capability.support != hw::Capability::Support::unknown)
      facts.can[name] = capability.support == hw::Capability::Support::yes;
  }
}

void add_representors(NicFacts& facts, const kernel::Sysfs& sysfs, const vf::Pf& pf,
                      const kernel::DevlinkHandle& handle) {
  // Two PFs of a card may share one switch; their representors tell the PF by its PCI function number.
  const auto number = static_cast<std::uint16_t>(pf.pci.address.back() - '0');
  for (const vf::Vf& each : pf.vfs)
    if (const auto found = vf::find_representor(sysfs, handle, pf.link->name, number, each.id))
      facts.representors[each.id] = found->netdev;
}

}  // namespace

NicFacts find_facts(const Node& node, vf::Host& host, const std::string& pf_address,
                    const std::vector<kernel::Link>& links) try {
  const auto pf = vf::find_pf(host.sysfs, host.socket, pf_address);
  if (!pf) return {};
  const hw::Nic nic = hw::find_nic(node, *pf);
  NicFacts facts;
  facts.profile = nic.profile.family;
  add_abilities(facts, nic.profile);
  const kernel::DevlinkHandle handle{"pci", pf_address};
  if (const auto mode = kernel::find_eswitch_mode(handle))
    facts.eswitch_mode = *mode == kernel::EswitchMode::switchdev ? "switchdev" : "legacy";
  if (!pf->link) return facts;
  facts.switch_id = pf->link->phys_switch_id;
  facts.link_speed_mbps = kernel::find_speed(pf->link->name);
  for (const kernel::Link& link : links)
    if (link.index == pf->link->master && link.kind == "bond") facts.bond = link.name;
  if (facts.eswitch_mode == "switchdev") add_representors(facts, host.sysfs, *pf, handle);
  return facts;
} catch (const Error&) {
  return {};
}

/// The API takes DNS labels (RFC 1123): lower case, digits and '-', 63 of them.
std::string label_of(const std::string& id) {
  std::string label = to_lower(id);
  for (char& c : label)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '-';
  return label.substr(0, 63);
}

const std::string& parent_of(const inventory::Device& device) {
  return device.pf.empty() ? device.id : device.pf;
}

json::object device_json(const Offer& offer, const NicFacts& facts, const std::string& driver, bool with_taint) {
  json::object attributes;
  put_standard(attributes, offer);
  put_own(attributes, offer.device);
  put_nic(attributes, offer.device, facts);
  json::object result{{"name", label_of(offer.device.id)}, {"attributes", std::move(attributes)}};
  if (facts.link_speed_mbps)
    result["capacity"] = json::object{{"bandwidth", json::object{{"value", quantity_of_mbps(*facts.link_speed_mbps)}}}};
  if (offer.trouble && with_taint) {
    // NoSchedule, not NoExecute: whether a pod is thrown off a sick device is for its administrator to say (KEP-5055).
    const char* key = offer.trouble->kind == Trouble::Kind::taken ? "taken" : "unhealthy";
    result["taints"] = json::array{json::object{{"key", fmt::format("{}/{}", driver, key)}, {"effect", "NoSchedule"}}};
  }
  return result;
}

json::object port_json(const Offer& offer, const std::string& name) {
  // Without those of k8s.cni.cncf.io: Multus would hand the bridge's name to the plugin as the address of a VF.
  json::object attributes;
  put(attributes, "bridge", offer.device.id);
  put(attributes, "resource", offer.resource);
  return {{"name", name}, {"attributes", std::move(attributes)}};
}

json::object bridge_json(const Offer& offer, const std::string& name) {
  json::object result = port_json(offer, name);
  result["allowMultipleAllocations"] = true;
  // One for each request, neither more nor less: the policy makes it so for those that do not name the capacity.
  json::object policy{{"default", "1"}, {"validValues", json::array{"1"}}};
  result["capacity"] = json::object{
      {"ports", json::object{{"value", std::to_string(offer.ports)}, {"requestPolicy", std::move(policy)}}}};
  return result;
}

std::string quantity_of_mbps(std::uint64_t mbps) {
  // The API server stores quantities in their shortest form; "25000M" would come back as "25G" and look changed.
  if (mbps != 0 && mbps % 1000 == 0) return fmt::format("{}G", mbps / 1000);
  return fmt::format("{}M", mbps);
}

std::optional<std::uint64_t> mbps_of_quantity(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},     {"k", 1e3},    {"M", 1e6},       {"G", 1e9},          {"T", 1e12},
      {"m", 1e-3}, {"Ki", 1024.}, {"Mi", 1048576.}, {"Gi", 1073741824.}, {"Ti", 1099511627776.}};
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || !(value >= 0)) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    const double mbps = std::ceil(value * factor / 1e6);
    if (mbps > 4e9) return std::nullopt;  // more than a rate can say
    return static_cast<std::uint64_t>(mbps);
  }
  return std::nullopt;
}

}  // namespace barewire::dra
