// SPDX-License-Identifier: Apache-2.0
// Where ovs-cni and this plugin read a key differently, the peer's reading counts and ours is documented beside it.
#include "ovs-plugin/ovs_config.h"

#include <algorithm>

#include "core/vf/claim.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

/// The peer reads keys of args.cni without regard to case, and skips what is not a string.
std::string argument(const cni::Request& request, std::string_view key) {
  if (const auto given = request.args.find(key); given && !given->empty()) return *given;
  const auto given = request.conf.cni_arg(key);
  return given && given->is_string() ? given->string() : "";
}

std::optional<MacAddress> parse_mac(const cni::Request& request) {
  std::string source = "config key \"runtimeConfig.mac\"", text;
  if (const auto given = request.conf.runtime_config("mac")) text = given->string();
  if (text.empty()) {
    source = "MAC in CNI_ARGS or args.cni";
    text = argument(request, "MAC");
  }
  if (text.empty()) {
    source = "config key \"mac\"";
    text = request.conf.root().string_or("mac", "");
  }
  if (text.empty()) return std::nullopt;
  const auto mac = MacAddress::parse(text);
  if (!mac || mac->is_zero() || mac->is_multicast())
    throw Error(Error::Code::config,
                fmt::format("{} is \"{}\"; expected a unicast MAC address, as 02:00:00:00:00:01", source, text));
  return mac;
}

std::string parse_bridge(const LayeredConfig& config, const std::string& ovn_port, bool has_device) {
  const std::string bridge = config.string_or("bridge", ovn_port.empty() ? "" : "br-int");
  if (bridge.empty() && !has_device)
    throw Error(
        Error::Code::config, "config key \"bridge\" is missing; expected the name of an Open vSwitch bridge",
        "it may be left out when OvnPort is given: then it is br-int; or with deviceID: then it is the one that "
        "holds the uplink");
  return bridge;
}

ovsdb::StringMap parse_map(const LayeredConfig& config, std::string_view key) {
  ovsdb::StringMap map;
  const auto found = config.find(key);
  if (!found) return map;
  for (const auto& [name, value] : found->members("an object of strings")) map[name] = value.string();
  return map;
}

ovsdb::StringMap parse_external_ids(const LayeredConfig& config) {
  ovsdb::StringMap map = parse_map(config, "external_ids");
  for (const auto& [name, value] : map)
    // Whoever could set these could have a port taken for another pod's, and deleted with it.
    if (is_owner_key(name) || is_reference_key(name))
      config.find("external_ids")
          ->reject(fmt::format("keys of your own: \"{}\" tells whose the port is, and is set by the plugin", name));
  return map;
}

std::chrono::milliseconds parse_link_patience(const LayeredConfig& config) {
  constexpr std::int64_t kLargest = 60000, kRetries = 5, kInterval = 600;
  const auto retries = config.integer_or("link_state_check_retries", 0, kLargest, "a number of tries", kRetries);
  const auto interval = config.integer_or("link_state_check_interval", 0, kLargest, "milliseconds", kInterval);
  // 0 is "not given" to the peer, whose defaults these are.
  return std::chrono::milliseconds((retries == 0 ? kRetries : retries) * (interval == 0 ? kInterval : interval));
}

/// Of a port without a device: DPDK drives NICs, and rings that no pod has.
void require_type_of_veth(const std::string& type) {
  if (type == kDpdk || type == "dpdkr")
    throw Error(Error::Code::unsupported_field,
                fmt::format("config key \"interface_type\" is \"{}\": no pod can be behind such a port", type),
                fmt::format("give {} for a program in the pod, {} for DPDK on a veth pair, deviceID for a VF, or leave "
                            "it out",
                            kVhostClient, kAfPacket));
}

void parse_device(const cni::Request& request, const LayeredConfig& config, OvsConfig& parsed) {
  parsed.device = vf::requested_device(request);
  parsed.interface_type = config.string_or("interface_type", "");
  if (!parsed.device) return require_type_of_veth(parsed.interface_type);
  if (const auto& type = parsed.interface_type; !type.empty() && type != "system" && type != kDpdk)
    config.find("interface_type")->reject("system or dpdk, since deviceID is given");
  const auto file = request.conf.runtime_config("CNIDeviceInfoFile");
  if (file) parsed.device_info_file = file->string();
  if (file && !parsed.device_info_file.starts_with('/')) file->reject("an absolute path");
}

}  // namespace

ovsdb::Endpoint parse_socket(const LayeredConfig& config) {
  ovsdb::TlsFiles tls{config.string_or("private_key", ""), config.string_or("certificate", ""),
                      config.string_or("ca_cert", "")};
  const std::string text = config.string_or("socket_file", "");
  if (text.empty()) return {};
  return ovsdb::parse_endpoint(text, "socket_file", std::move(tls));
}

namespace {

OvsConfig parse_ovs(const cni::Request& request) {
  // RFC 791 for the least. 65279 (0xfeff) is the last port that ovs-vswitchd gives out on request. Source:
  // ovs-vswitchd.conf.db(5), column ofport_request.
  constexpr std::int64_t kSmallestMtu = 68, kLargestMtu = 65535, kLargestPort = 65279;
  const LayeredConfig config = LayeredConfig::read(request);
  OvsConfig parsed;
  parsed.endpoint = parse_socket(config);
  parsed.ovn_port = argument(request, "OvnPort");
  parse_device(request, config, parsed);
  parsed.bridge = parse_bridge(config, parsed.ovn_port, parsed.device.has_value());
  parsed.vlan = parse_vlan(config);
  const auto mtu = config.find("mtu");
  if (mtu && mtu->integer(0, kLargestMtu, "an MTU in bytes, 0 for the default") != 0)
    parsed.mtu = static_cast<std::uint32_t>(mtu->integer(kSmallestMtu, kLargestMtu, "an MTU in bytes"));
  parsed.mac = parse_mac(request);
  const auto port = config.integer_or("ofport_request", 0, kLargestPort, "an OpenFlow port number, 0 for any", 0);
  if (port != 0) parsed.ofport_request = port;
  if (parsed.interface_type == kVhostClient || parsed.interface_type == kVhostServer)
    parsed.vhost = parse_vhost_user(request, config, parsed.interface_type);
  parsed.qos = parse_qos(request, config, !parsed.dpdk_ports().empty());
  parsed.tunnels = parse_tunnels(config);
  parsed.isolated = config.boolean_or("protected", false);
  parsed.external_ids = parse_external_ids(config);
  parsed.other_config = parse_map(config, "other_config");
  // Where the switch expects it; a key of the same name in "other_config" gives way.
  if (!parsed.vlan.qinq_ethertype.empty()) parsed.other_config["qinq-ethtype"] = parsed.vlan.qinq_ethertype;
  parsed.link_patience = parse_link_patience(config);
  return parsed;
}

}  // namespace

OvsConfig OvsConfig::parse(const cni::Request& request, std::string_view plugin) {
  return plugin == kUserspacePlugin ? parse_userspace(request) : parse_ovs(request);
}

ovsdb::Row OvsConfig::port_columns() const {
  ovsdb::Row row{{"protected", isolated}, {"other_config", ovsdb::Value(other_config)}};
  put_columns(vlan, row);
  return row;
}

void OvsConfig::use_dpdk(const cni::Request& request, std::string args) {
  interface_type = kDpdk;
  devargs = std::move(args);
  // Again: DPDK's policer is written otherwise than the kernel's queues.
  qos = parse_qos(request, LayeredConfig::read(request), true);
}

std::string_view OvsConfig::dpdk_ports() const {
  if (vhost) return "vhost-user ports";
  if (interface_type == kAfPacket) return "af_packet ports";
  return interface_type == kDpdk ? kPortsOfDpdk : "";
}

std::optional<kernel::TokenBucket> OvsConfig::pod_rate(const std::string& datapath_type) const {
  if (device || datapath_type != "netdev" || !dpdk_ports().empty()) return std::nullopt;
  return sending_bucket(qos);
}

ovsdb::Row OvsConfig::interface_columns(const std::string& port) const {
  ovsdb::StringMap ids = external_ids;
  // ovn-controller binds the logical port by this key. Source: ovn-architecture(7).
  if (!ovn_port.empty()) ids["iface-id"] = ovn_port;
  ovsdb::Row row{{"type", interface_type == kAfPacket ? kDpdk : interface_type},
                 {"external_ids", ovsdb::Value(ids)},
                 {"ofport_request", ofport_request ? ovsdb::Value(*ofport_request) : ovsdb::Value()},
                 {"ingress_policing_rate", qos.policing_kbps},
                 {"ingress_policing_burst", qos.policing_burst_kb}};
  if (vhost) row.set("options", ovsdb::Value(vhost->options()));
  // The driver is found by the beginning of the name, which must be the only one of its kind.
  const std::string args = interface_type == kAfPacket ? fmt::format("net_af_packet_{0},iface={0}", port) : devargs;
  if (!args.empty()) row.set("options", ovsdb::Value(ovsdb::StringMap{{"dpdk-devargs", args}}));
  if (!dpdk_ports().empty() && mtu) row.set("mtu_request", static_cast<std::int64_t>(*mtu));
  return row;
}

ovsdb::Endpoint endpoint_leniently(const cni::Request& request) {
  try {
    return parse_socket(LayeredConfig::read(request));
  } catch (const Error&) {
    return {};
  }
}

}  // namespace barewire::ovs
