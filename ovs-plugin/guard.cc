// SPDX-License-Identifier: Apache-2.0
// The keys as docs/configuration lists them. What several keys decide together, or the node's own file besides the
// network's configuration, is asked for as it comes out: a port without a VLAN is a trunk of all of them.
#include "ovs-plugin/guard.h"

#include <array>

#include "core/cni/fallback.h"
#include "core/vf/asks.h"
#include "ovs-plugin/mirror_config.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/undo.h"

namespace barewire {

namespace ovs {

namespace {

using policy::Asks;
using policy::Subject;

constexpr std::uint64_t kLastVlan = 4095;
constexpr std::uint64_t kKiloInMega = 1000;
constexpr const char* kPortOwn = "of the port alone";
constexpr const char* kCommonKey = "asked for with the common keys";

constexpr std::array kOvsKeys{
    cni::read_by_guard("bridge", Subject::bridges),
    cni::read_by_guard("deviceID", Subject::pfs),
    cni::read_by_guard("pciBusID", Subject::pfs),
    cni::read_by_guard("runtimeConfig.deviceID", Subject::pfs),
    cni::read_by_guard("vlan", Subject::vlans),
    cni::read_by_guard("trunk", Subject::vlans),
    cni::read_by_guard("vlan_mode", Subject::qinq),
    cni::harmless("qinq_ethtype", "needs a vlan_mode that is asked for"),
    cni::asks("mtu", Subject::mtu),
    cni::asks("ofport_request", Subject::openflow_ports),
    cni::asks("interface_type", Subject::interface_types),
    cni::harmless("runtimeConfig.bandwidth", "its keys are listed one by one"),
    cni::harmless("ingress_policing", "its keys are listed one by one"),
    cni::harmless("qos", "its keys are listed one by one"),
    cni::harmless("tunnel", "its keys are listed one by one"),
    cni::read_by_guard("socket_file", Subject::endpoints),
    cni::asks("private_key", Subject::read_files),
    cni::asks("certificate", Subject::read_files),
    cni::asks("ca_cert", Subject::read_files),
    cni::asks("configuration_path", Subject::read_files),
    cni::harmless("link_state_check_retries", "how long is waited, a minute at most"),
    cni::harmless("link_state_check_interval", "how long is waited, a minute at most"),
    cni::harmless("protected", "less than without it"),
    cni::read_by_guard("external_ids", Subject::ovs_columns),
    cni::read_by_guard("other_config", Subject::ovs_columns),
    cni::harmless("mac", kCommonKey),
    cni::harmless("ipam", "its plugin's guard is asked"),
    cni::read_by_guard("fallback", Subject::plugins),
    cni::read_by_guard("CNI_ARGS OvnPort", Subject::ovs_columns),
    cni::read_by_guard("args.cni.ovnPort", Subject::ovs_columns),
    // vhost-user
    cni::read_by_guard("socket_dir", Subject::socket_dirs),
    cni::harmless("socket_name", "a file of a directory that is asked for"),
    cni::asks("socket_mode", Subject::socket_modes),
    cni::asks("socket_group", Subject::socket_groups),
    cni::asks("ovs_run_dir", Subject::socket_dirs),
    // Rates
    cni::asks_bits("runtimeConfig.bandwidth.ingressRate", Subject::rate),
    cni::harmless("runtimeConfig.bandwidth.ingressBurst", kPortOwn),
    cni::read_by_guard("runtimeConfig.bandwidth.egressRate", Subject::rate),
    cni::harmless("runtimeConfig.bandwidth.egressBurst", kPortOwn),
    cni::read_by_guard("ingress_policing.rate", Subject::rate),
    cni::harmless("ingress_policing.burst", kPortOwn),
    cni::harmless("qos.type", kPortOwn),
    cni::asks_bits("qos.max_rate", Subject::rate),
    cni::harmless("qos.burst", kPortOwn),
    cni::harmless("qos.queues", kPortOwn),
    cni::asks_bits("qos.queues[].max_rate", Subject::rate),
    cni::asks_bits("qos.queues[].min_rate", Subject::guaranteed_rate),
    // Tunnels
    cni::asks("tunnel.type", Subject::tunnels),
    cni::asks("tunnel.remotes", Subject::tunnel_remotes),
    cni::read_by_guard("tunnel.key", Subject::tunnel_keys),
    cni::asks("tunnel.local", Subject::tunnel_remotes),
    cni::asks("tunnel.dst_port", Subject::host_ports),
};

void ask_vlans(const Vlan& vlan, Asks& asks) {
  const bool tunnel = vlan.mode == "dot1q-tunnel", trunk = vlan.mode != "access" && !tunnel;
  if (tunnel) asks.push_back(policy::ask_flag(Subject::qinq, "vlan_mode"));
  if (vlan.tag) asks.push_back(policy::ask_number(Subject::vlans, "vlan", static_cast<std::uint64_t>(*vlan.tag)));
  if (trunk && vlan.trunks.empty())
    asks.push_back(policy::ask_range(Subject::vlans, "trunk", {0, kLastVlan}, "every VLAN, since none is named"));
  // A tunnel (dot1q-tunnel) carries inner VLANs as payload under its one outer tag: the outer one is what is asked for.
  if (!trunk) return;
  for (const std::int64_t id : vlan.trunks)
    asks.push_back(policy::ask_number(Subject::vlans, "trunk", static_cast<std::uint64_t>(id)));
}

void ask_columns(const char* column, const ovsdb::StringMap& map, Asks& asks) {
  for (const auto& [key, value] : map)
    asks.push_back(policy::ask_name(Subject::ovs_columns, column, fmt::format("{}:{}={}", column, key, value)));
}

void ask_endpoint(const ovsdb::Endpoint& endpoint, Asks& asks) {
  // The database of this node is what the plugin is there for; any other is a machine that a network's author names.
  if (endpoint.text() == ovsdb::Endpoint().text()) return;
  asks.push_back(policy::ask_name(Subject::endpoints, "socket_file", endpoint.text()));
}

/// What the pod sends.
void ask_rate(const Qos& qos, Asks& asks) {
  const auto kbps = static_cast<std::uint64_t>(qos.policing_kbps);
  asks.push_back(
      // Rounded up, so that a limit of a few kilobits is not taken for none.
      kbps == 0 ? policy::ask_number(Subject::rate, "ingress_policing.rate", policy::kUnlimited, "no limit")
                : policy::ask_number(Subject::rate, "ingress_policing.rate", (kbps + kKiloInMega - 1) / kKiloInMega));
}

void ask_tunnel(const LayeredConfig& config, Asks& asks) {
  const auto tunnel = config.find("tunnel");
  if (!tunnel) return;
  const std::int64_t key = tunnel->integer_or("key", 0, UINT32_MAX, "the tunnel's number (VNI)", 0);
  asks.push_back(policy::ask_number(Subject::tunnel_keys, "tunnel.key", static_cast<std::uint64_t>(key)));
}

/// Which the plugins of Open vSwitch have in common.
void ask_port(const OvsConfig& config, Asks& asks) {
  asks.push_back(policy::ask_name(Subject::bridges, "bridge", config.bridge.empty() ? "@uplink" : config.bridge));
  ask_endpoint(config.endpoint, asks);
  ask_vlans(config.vlan, asks);
  ask_rate(config.qos, asks);
}

void ask_ovs(const cni::Request& request, const Node& node, Asks& asks) {
  const OvsConfig config = OvsConfig::parse(request, kPlugin);
  const LayeredConfig layered = LayeredConfig::read(request);
  ask_port(config, asks);
  vf::ask_requested_device(request.conf.root(), node, asks);
  ask_columns("external_ids", config.external_ids, asks);
  ovsdb::StringMap other_config = config.other_config;
  if (!config.vlan.qinq_ethertype.empty()) other_config.erase("qinq-ethtype");  // of another key, asked for by itself
  ask_columns("other_config", other_config, asks);
  if (!config.ovn_port.empty()) ask_columns("external_ids", {{"iface-id", config.ovn_port}}, asks);
  if (config.vhost && layered.find("socket_dir"))
    asks.push_back(policy::ask_name(Subject::socket_dirs, "socket_dir", config.vhost->directory));
  ask_tunnel(layered, asks);
  if (const auto fallback = cni::Fallback::parse(request))
    cni::ask_delegate(request, fallback->config, "fallback", node, asks);
}

constexpr std::array kUserspaceKeys{
    cni::harmless("host.engine", "one is supported"),
    cni::harmless("host.iftype", "one is supported"),
    cni::harmless("host.netType", "one is supported"),
    cni::harmless("host.vhost.mode", "who listens"),
    cni::asks("host.vhost.group", Subject::socket_groups),
    cni::harmless("host.vhost.socketfile", "a file of a directory that is asked for"),
    cni::read_by_guard("host.bridge.bridgeName", Subject::bridges),
    cni::read_by_guard("host.bridge.vlanId", Subject::vlans),
    cni::asks("sharedDir", Subject::socket_dirs),
    cni::harmless("container", "only looked at"),
    cni::harmless("ipam", "its plugin's guard is asked"),
    cni::read_by_guard("socket_file", Subject::endpoints),
    cni::asks("ovs_run_dir", Subject::socket_dirs),
    cni::asks("configuration_path", Subject::read_files),
    cni::harmless("runtimeConfig.bandwidth", "its keys are listed one by one"),
    cni::asks_bits("runtimeConfig.bandwidth.ingressRate", Subject::rate),
    cni::read_by_guard("runtimeConfig.bandwidth.egressRate", Subject::rate),
};

void ask_userspace(const cni::Request& request, const Node&, Asks& asks) {
  ask_port(OvsConfig::parse(request, kUserspacePlugin), asks);
}

constexpr std::array kMirrorKeys{
    cni::read_by_guard("bridge", Subject::bridges),
    cni::harmless("mirrors", "its parts are listed one by one"),
    cni::asks("mirrors[].name", Subject::mirrors),
    cni::harmless("mirrors[].ingress", "bounded by the mirror"),
    cni::harmless("mirrors[].egress", "bounded by the mirror"),
    cni::read_by_guard("socket_file", Subject::endpoints),
    cni::asks("private_key", Subject::read_files),
    cni::asks("certificate", Subject::read_files),
    cni::asks("ca_cert", Subject::read_files),
    cni::asks("configuration_path", Subject::read_files),
};

void ask_mirrors(const cni::Request& request, const Node&, Asks& asks) {
  const LayeredConfig config = LayeredConfig::read(request);
  asks.push_back(policy::ask_name(Subject::bridges, "bridge", config.string_or("bridge", "")));
  ask_endpoint(parse_socket(config), asks);
}

}  // namespace

}  // namespace ovs

const cni::Guard kOvsGuard{.keys = ovs::kOvsKeys, .more = ovs::ask_ovs};
const cni::Guard kOvsMirrorGuard{.keys = ovs::kMirrorKeys, .more = ovs::ask_mirrors};
const cni::Guard kUserspaceGuard{.keys = ovs::kUserspaceKeys, .more = ovs::ask_userspace};

}  // namespace barewire
