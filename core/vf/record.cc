// SPDX-License-Identifier: Apache-2.0
// Every value may be absent: "nobody recorded it" must not be read as "it was zero", which would be restored.
#include "core/vf/record.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <limits>

#include "core/text.h"

namespace barewire::vf {

namespace json = boost::json;

namespace {

constexpr std::int64_t kU32Max = std::numeric_limits<std::uint32_t>::max();

template <typename T>
void put(json::object& object, const char* key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}
void put_mac(json::object& object, const char* key, const std::optional<MacAddress>& mac) {
  if (mac) object[key] = mac->text();
}

std::optional<MacAddress> find_mac(const JsonView& json, std::string_view key) {
  const auto found = json.find(key);
  if (!found) return std::nullopt;
  const auto mac = MacAddress::parse(found->string());
  if (!mac) found->reject("a MAC address");
  return mac;
}

std::optional<std::uint32_t> find_u32(const JsonView& json, std::string_view key) {
  const auto found = json.find(key);
  if (!found) return std::nullopt;
  return static_cast<std::uint32_t>(found->integer(0, kU32Max, "a number"));
}

std::optional<bool> find_bool(const JsonView& json, std::string_view key) {
  const auto found = json.find(key);
  if (!found) return std::nullopt;
  return found->boolean();
}

void put_vlan(json::object& object, const kernel::VfChange::Vlan& vlan) {
  object["vlan"] = vlan.id;
  object["vlanQoS"] = vlan.qos;
  object["vlanProto"] = word(vlan.proto);
}

std::optional<kernel::VfChange::Vlan> find_vlan(const JsonView& json) {
  const auto id = json.find("vlan");
  if (!id) return std::nullopt;
  kernel::VfChange::Vlan vlan;
  // 4095 is reserved and refused in configurations; here it is what a PF has told, which is put back as it was.
  vlan.id = static_cast<std::uint16_t>(id->integer(0, 4095, "a VLAN id"));
  vlan.qos = static_cast<std::uint8_t>(json.integer_or("vlanQoS", 0, 7, "a priority", 0));
  vlan.proto = parse_vlan_proto(json.string_or("vlanProto", "802.1q")).value_or(kernel::VlanProto::dot1q);
  return vlan;
}

std::optional<kernel::VfLinkState> find_link_state(const JsonView& json) {
  const auto found = json.find("linkState");
  return found ? parse_link_state(found->string()) : std::nullopt;
}

json::object to_json(const kernel::VfInfo& info) {
  json::object object;
  put_mac(object, "mac", info.mac);
  put_vlan(object, {info.vlan, info.qos, info.vlan_proto});
  put(object, "spoofchk", info.spoof_check);
  put(object, "trust", info.trust);
  if (info.link_state) object["linkState"] = word(*info.link_state);
  put(object, "queryRss", info.query_rss);
  object["minTxRate"] = info.min_tx_rate;
  object["maxTxRate"] = info.max_tx_rate;
  return object;
}

std::optional<kernel::VfInfo> find_vf_info(const JsonView& data, std::string_view key, std::uint32_t id) {
  const auto found = data.find(key);
  if (!found) return std::nullopt;
  kernel::VfInfo info;
  info.id = id;
  info.mac = find_mac(*found, "mac");
  // Written by every version, so absent only where somebody changed the record.
  if (const auto vlan = find_vlan(*found)) {
    info.vlan = vlan->id;
    info.qos = vlan->qos;
    info.vlan_proto = vlan->proto;
  }
  info.spoof_check = find_bool(*found, "spoofchk");
  info.trust = find_bool(*found, "trust");
  info.link_state = find_link_state(*found);
  info.query_rss = find_bool(*found, "queryRss");
  info.min_tx_rate = find_u32(*found, "minTxRate").value_or(0);
  info.max_tx_rate = find_u32(*found, "maxTxRate").value_or(0);
  return info;
}

json::object to_json(const Settings& settings) {
  json::object object;
  put_mac(object, "mac", settings.mac);
  if (settings.vlan) put_vlan(object, *settings.vlan);
  put(object, "spoofchk", settings.spoof_check);
  put(object, "trust", settings.trust);
  put(object, "minTxRate", settings.min_tx_rate);
  put(object, "maxTxRate", settings.max_tx_rate);
  if (settings.link_state) object["linkState"] = word(*settings.link_state);
  put(object, "mtu", settings.mtu);
  put(object, "promisc", settings.promisc);
  put(object, "allmulti", settings.allmulti);
  return object;
}

Settings parse_settings(const JsonView& json) {
  Settings settings;
  settings.mac = find_mac(json, "mac");
  settings.vlan = find_vlan(json);
  settings.spoof_check = find_bool(json, "spoofchk");
  settings.trust = find_bool(json, "trust");
  settings.min_tx_rate = find_u32(json, "minTxRate");
  settings.max_tx_rate = find_u32(json, "maxTxRate");
  settings.link_state = find_link_state(json);
  settings.mtu = find_u32(json, "mtu");
  settings.promisc = find_bool(json, "promisc");
  settings.allmulti = find_bool(json, "allmulti");
  return settings;
}

}  // namespace

bool mac_is_own(const kernel::Sysfs& sysfs, const std::string& netdev) {
  // Permanent, random, stolen or set: only the first means that the address is the hardware's, or the PF's. Source:
  // include/uapi/linux/netdevice.h, NET_ADDR_*.
  return sysfs.read_integer("class/net/" + netdev + "/addr_assign_type").value_or(0) != 0;  // NET_ADDR_PERM is 0
}

NetdevState capture_netdev(Host& host, const kernel::Link& link) {
  NetdevState state;
  state.name = link.name;
  state.alt_names = link.alt_names;
  state.alias = link.alias;
  state.kind = link.kind;
  state.mac = link.mac;
  state.perm_mac = link.perm_mac;
  state.phys_port_name = link.phys_port_name;
  state.mac_is_own = mac_is_own(host.sysfs, link.name);
  state.mtu = link.mtu;
  state.tx_queue_length = link.tx_queue_length;
  state.up = link.is_up();
  // The dearest part: it asks the driver. Nothing else can tell how the netdev was.
  state.device = capture_device_state(host, link);
  return state;
}

json::object to_json(const NetdevState& netdev) {
  json::object object{{"name", netdev.name}};
  // An empty list is kept: it says that there were none, where a missing one says that nobody looked.
  if (netdev.alt_names) object["altNames"] = json::array(netdev.alt_names->begin(), netdev.alt_names->end());
  if (!netdev.alias.empty()) object["alias"] = netdev.alias;
  if (!netdev.kind.empty()) object["kind"] = netdev.kind;
  put_mac(object, "mac", netdev.mac);
  put_mac(object, "permMac", netdev.perm_mac);
  if (!netdev.phys_port_name.empty()) object["physPortName"] = netdev.phys_port_name;
  object["macIsOwn"] = netdev.mac_is_own;
  object["mtu"] = netdev.mtu;
  object["txQueueLength"] = netdev.tx_queue_length;
  object["up"] = netdev.up;
  if (netdev.device) object["state"] = to_json(*netdev.device);
  return object;
}

NetdevState parse_netdev_state(const JsonView& json) {
  NetdevState netdev;
  netdev.name = json.at("name").string();
  if (const auto names = json.find("altNames")) netdev.alt_names = names->strings();
  netdev.alias = json.string_or("alias", "");
  netdev.kind = json.string_or("kind", "");
  netdev.mac = find_mac(json, "mac");
  netdev.perm_mac = find_mac(json, "permMac");
  netdev.phys_port_name = json.string_or("physPortName", "");
  netdev.mac_is_own = json.boolean_or("macIsOwn", false);
  netdev.mtu = find_u32(json, "mtu").value_or(0);
  netdev.tx_queue_length = find_u32(json, "txQueueLength").value_or(0);
  netdev.up = json.boolean_or("up", false);
  if (const auto state = json.find("state")) netdev.device = parse_device_state(*state);
  return netdev;
}

json::object to_json(const VfRecord& record) {
  json::object object{{"device", record.device}, {"pf", record.pf},         {"pfName", record.pf_name},
                      {"vf", record.id},         {"driver", record.driver}, {"userspace", record.userspace}};
  json::object original;
  if (record.netdev) original["netdev"] = to_json(*record.netdev);
  if (record.admin) original["admin"] = to_json(*record.admin);
  object["original"] = std::move(original);
  object["settings"] = to_json(record.settings);
  if (record.expected) object["expected"] = to_json(*record.expected);
  // Only once it is there: a record with an index says that the netdev has moved.
  if (record.pod_index != 0) object["ifindex"] = record.pod_index;
  return object;
}

VfRecord parse_vf_record(const json::object& data, const std::string& subject) {
  const json::value document(data);
  const JsonView view(document, subject, Error::Code::state);
  VfRecord record;
  record.device = view.at("device").string();
  record.pf = view.at("pf").string();
  // For messages, so the address will do.
  record.pf_name = view.string_or("pfName", record.pf);
  // 16 bits: PCI's SR-IOV capability counts VFs so. Source: PCI Express Base Specification, "NumVFs".
  record.id = static_cast<std::uint32_t>(view.at("vf").integer(0, 65535, "a VF number"));
  record.driver = view.string_or("driver", "");
  record.userspace = view.boolean_or("userspace", false);
  // Required: without it nothing could be put back.
  const JsonView original = view.at("original");
  if (const auto netdev = original.find("netdev")) record.netdev = parse_netdev_state(*netdev);
  record.admin = find_vf_info(original, "admin", record.id);
  record.settings = parse_settings(view.at("settings"));
  record.expected = find_vf_info(view, "expected", record.id);
  record.pod_index = static_cast<int>(view.integer_or("ifindex", 0, std::numeric_limits<int>::max(), "an ifindex", 0));
  return record;
}

std::string_view word(kernel::VlanProto proto) {
  return proto == kernel::VlanProto::dot1ad ? "802.1ad" : "802.1q";
}

std::string_view word(kernel::VfLinkState state) {
  if (state == kernel::VfLinkState::enable) return "enable";
  return state == kernel::VfLinkState::disable ? "disable" : "auto";
}

std::optional<kernel::VfLinkState> parse_link_state(std::string_view text) {
  using State = kernel::VfLinkState;
  for (const State state : {State::automatic, State::enable, State::disable})
    if (word(state) == text) return state;
  return std::nullopt;
}

std::optional<kernel::VlanProto> parse_vlan_proto(std::string_view text) {
  // The peer takes any case here, and in no other word.
  for (const kernel::VlanProto proto : {kernel::VlanProto::dot1q, kernel::VlanProto::dot1ad})
    if (equal_ignoring_case(word(proto), text)) return proto;
  return std::nullopt;
}

}  // namespace barewire::vf
