// SPDX-License-Identifier: Apache-2.0
// What excludes what is the reference plugin's list, with its words.
#include "standard-plugins/bridge/config.h"

#include <algorithm>

namespace barewire::standard {

namespace {

constexpr std::int64_t kLargestMtu = 65535;
constexpr std::int64_t kLargestVlan = 4094;

std::uint16_t vlan_id(const JsonView& view) {
  return static_cast<std::uint16_t>(view.integer(1, kLargestVlan, "an 802.1Q VLAN id"));
}

/// {"id": N}, {"minID": A, "maxID": B}, or all three.
void collect_trunk(const JsonView& entry, std::vector<std::uint16_t>& ids) {
  const auto id = entry.find("id"), least = entry.find("minID"), greatest = entry.find("maxID");
  if (!entry.is_object() || (!id && !least && !greatest)) entry.reject("an object with id, or with minID and maxID");
  if (least.has_value() != greatest.has_value()) entry.reject("minID and maxID together");
  if (id) ids.push_back(vlan_id(*id));
  if (!least) return;
  const std::uint16_t first = vlan_id(*least), last = vlan_id(*greatest);
  if (first > last) entry.reject("a minID not greater than maxID");
  for (std::uint16_t vlan = first; vlan <= last; ++vlan) ids.push_back(vlan);
}

std::vector<std::uint16_t> parse_trunk(const JsonView& root) {
  std::vector<std::uint16_t> ids;
  if (const auto trunk = root.find("vlanTrunk"))
    for (const JsonView& entry : trunk->array("a list of VLANs")) collect_trunk(entry, ids);
  std::sort(ids.begin(), ids.end());
  // Ranges may overlap.
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

/// Keys that exclude each other.
void validate(const BridgeConfig& config, const JsonView& root) {
  if (config.port.hairpin && config.promisc)
    root.at("promiscMode").reject("false, because hairpinMode is true: cannot set both");
  if (!config.has_container_interface && config.has_ipam)
    root.at("disableContainerInterface")
        .reject("false, because there is an \"ipam\": a disabled interface has no address");
}

}  // namespace

std::vector<PortVlan> BridgeConfig::port_vlans() const {
  std::vector<PortVlan> vlans;
  if (vlan != 0) vlans.push_back({vlan, true});
  for (const std::uint16_t id : trunk)
    if (id != vlan) vlans.push_back({id, false});
  std::sort(vlans.begin(), vlans.end());
  return vlans;
}

BridgeConfig BridgeConfig::parse(const cni::Request& request) {
  const JsonView root = request.conf.root();
  BridgeConfig config;
  config.bridge = root.string_or("bridge", "");
  if (config.bridge.empty()) config.bridge = "cni0";
  config.is_default_gateway = root.boolean_or("isDefaultGateway", false);
  config.is_gateway = root.boolean_or("isGateway", false) || config.is_default_gateway;
  config.force_address = root.boolean_or("forceAddress", false);
  config.masquerade = root.boolean_or("ipMasq", false);
  if (config.masquerade) config.masquerade_backend = parse_masquerade_backend(root);
  config.mtu =
      static_cast<std::uint32_t>(root.integer_or("mtu", 0, kLargestMtu, "an MTU in bytes, 0 for the default", 0));
  config.port.hairpin = root.boolean_or("hairpinMode", false);
  config.port.isolated = root.boolean_or("portIsolation", false);
  config.promisc = root.boolean_or("promiscMode", false);
  config.vlan =
      static_cast<std::uint16_t>(root.integer_or("vlan", 0, kLargestVlan, "an 802.1Q VLAN id, 0 for none", 0));
  config.trunk = parse_trunk(root);
  if (const auto preserve = root.find("preserveDefaultVlan")) config.preserve_default_vlan = preserve->boolean();
  config.spoof_check = root.boolean_or("macspoofchk", false);
  config.duplicate_address_detection = root.boolean_or("enabledad", false);
  config.has_container_interface = !root.boolean_or("disableContainerInterface", false);
  config.has_ipam = !request.conf.ipam_type.empty();
  config.mac = cni::requested_mac(request);
  validate(config, root);
  return config;
}

}  // namespace barewire::standard
