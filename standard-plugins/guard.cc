// SPDX-License-Identifier: Apache-2.0
// The keys as docs/configuration lists them: of each either what it asks of the node, or why it asks nothing.
#include "standard-plugins/guard.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/vf/asks.h"
#include "standard-plugins/flannel/config.h"

namespace barewire::standard {

namespace {

using policy::Asks;
using policy::Subject;

constexpr const char* kOfPod = "of the pod alone";
constexpr const char* kBackend = "who is told";
constexpr const char* kIpam = "its plugin's guard is asked";
constexpr cni::GuardedKey kIpamKey = cni::harmless("ipam", kIpam);

constexpr std::array kBandwidthKeys{
    cni::asks_bits("ingressRate", Subject::rate),
    cni::harmless("ingressBurst", kOfPod),
    cni::asks_bits("egressRate", Subject::rate),
    cni::harmless("egressBurst", kOfPod),
    cni::harmless("runtimeConfig.bandwidth", "its keys are listed one by one"),
    cni::asks_bits("runtimeConfig.bandwidth.ingressRate", Subject::rate),
    cni::asks_bits("runtimeConfig.bandwidth.egressRate", Subject::rate),
};

constexpr std::array kBondKeys{
    cni::asks("mode", Subject::modes),
    cni::harmless("miimon", kOfPod),
    cni::read_by_guard("links", Subject::devices),
    cni::harmless("linksInContainer", "asks less"),
    cni::harmless("failOverMac", kOfPod),
    cni::asks("mtu", Subject::mtu),
    cni::harmless("allSlavesActive", kOfPod),
    cni::harmless("tlbDynamicLb", kOfPod),
    cni::harmless("xmitHashPolicy", kOfPod),
    cni::harmless("ifname", kOfPod),
    kIpamKey,
};

void ask_bond(const cni::Request& request, const Node& node, Asks& asks) {
  const JsonView root = request.conf.root();
  const auto links = root.find("links");
  // Links that are in the pod already are the pod's.
  if (!links || root.boolean_or("linksInContainer", false)) return;
  for (const JsonView& link : links->array("a list of links, each with a name"))
    vf::ask_device(node, link.path(), link.at("name").string(), asks);
}

constexpr std::array kBridgeKeys{
    // A key that is left out asks for its default: cni0 is a bridge of the node as any other.
    cni::asks_or("bridge", Subject::bridges, "cni0"),
    cni::asks("isGateway", Subject::gateway),
    cni::asks("isDefaultGateway", Subject::gateway),
    cni::asks("forceAddress", Subject::force_address),
    cni::asks("ipMasq", Subject::masquerade),
    cni::harmless("ipMasqBackend", kBackend),
    cni::asks("mtu", Subject::mtu),
    cni::asks("hairpinMode", Subject::hairpin),
    cni::asks("promiscMode", Subject::promisc),
    cni::asks_or("vlan", Subject::vlans, "0"),
    cni::asks("vlanTrunk[].id", Subject::vlans),
    cni::read_by_guard("vlanTrunk", Subject::vlans),
    cni::read_by_guard("preserveDefaultVlan", Subject::vlans),
    cni::harmless("portIsolation", "asks less"),
    cni::harmless("macspoofchk", "asks less"),
    cni::harmless("enabledad", kOfPod),
    cni::harmless("disableContainerInterface", kOfPod),
    kIpamKey,
};

void ask_bridge(const cni::Request& request, const Node&, Asks& asks) {
  constexpr std::int64_t kLastVlan = 4095;
  const JsonView root = request.conf.root();
  // The kernel puts a new port into VLAN 1, its default_pvid, and this key leaves the port there.
  if (root.boolean_or("preserveDefaultVlan", false))
    asks.push_back(policy::ask_number(Subject::vlans, "preserveDefaultVlan", 1));
  const auto trunk = root.find("vlanTrunk");
  if (!trunk) return;
  for (const JsonView& entry : trunk->array("a list of VLANs")) {
    if (!entry.has("minID") && !entry.has("maxID")) continue;
    const auto first = static_cast<std::uint64_t>(entry.at("minID").integer(0, kLastVlan, "an 802.1Q VLAN id"));
    const auto last = static_cast<std::uint64_t>(entry.at("maxID").integer(0, kLastVlan, "an 802.1Q VLAN id"));
    // As a range and not one by one: a trunk of 4000 VLANs is one ask, and its refusal one message.
    asks.push_back(policy::ask_range(Subject::vlans, entry.path(), {first, last}));
  }
}

constexpr std::array kDummyKeys{kIpamKey};

constexpr std::array kFirewallKeys{
    cni::harmless("backend", kBackend),
    cni::asks("iptablesAdminChainName", Subject::chains),
    cni::asks("firewalldZone", Subject::zones),
    cni::harmless("ingressPolicy", "asks less"),
};

constexpr std::array kFlannelKeys{
    cni::read_by_guard("delegate", Subject::plugins),
    kIpamKey,
    cni::asks("subnetFile", Subject::read_files),
    cni::asks("dataDir", Subject::data_dirs),
};

/// Where flanneld's file cannot be read or understood, there will be no delegate.
void ask_flannel(const cni::Request& request, const Node& node, Asks& asks) {
  const FlannelConfig config = FlannelConfig::parse(request.conf.root());
  // The delegate's configuration is made as ADD makes it, so that what is judged is what will be called.
  const auto text = read_file(config.subnet_file);
  if (!text) return;
  const auto delegate = delegate_config(request.conf, config, FlannelSubnet::parse(*text, config.subnet_file));
  cni::ask_delegate(request, boost::json::serialize(delegate), "delegate", node, asks);
}

constexpr std::array kIpvlanKeys{
    cni::read_by_guard("master", Subject::masters),
    cni::harmless("linkInContainer", "asks less"),
    cni::asks("mode", Subject::modes),
    cni::asks("mtu", Subject::mtu),
    kIpamKey,
};

constexpr std::array kMacvlanKeys{
    cni::read_by_guard("master", Subject::masters),
    cni::harmless("linkInContainer", "asks less"),
    cni::asks("mode", Subject::modes),
    cni::asks("mtu", Subject::mtu),
    cni::asks("bcqueuelen", Subject::broadcast_queue),
    kIpamKey,
};

constexpr std::array kVlanKeys{
    cni::read_by_guard("master", Subject::masters),
    cni::asks_or("vlanId", Subject::vlans, "0"),
    cni::harmless("linkInContainer", "asks less"),
    cni::asks("mtu", Subject::mtu),
    kIpamKey,
};

/// An interface of the pod asks nothing of the node.
void ask_master(const cni::Request& request, const Node&, Asks& asks) {
  const JsonView root = request.conf.root();
  if (root.boolean_or("linkInContainer", false)) return;
  const std::string master = root.string_or("master", "");
  if (master.empty())
    asks.push_back(policy::ask_name(Subject::masters, "master", "@default"));
  else
    vf::ask_interface(Subject::masters, "master", master, asks);
}

constexpr std::array kPortmapKeys{
    cni::harmless("runtimeConfig.portMappings", "its parts are listed one by one"),
    cni::asks("runtimeConfig.portMappings[].hostPort", Subject::host_ports),
    cni::harmless("runtimeConfig.portMappings[].containerPort", kOfPod),
    cni::harmless("runtimeConfig.portMappings[].protocol", "bounded by the port"),
    cni::harmless("runtimeConfig.portMappings[].hostIP", "bounded by the port"),
    cni::harmless("snat", "what reaches the pod by the node"),
    cni::asks("masqAll", Subject::masquerade),
    cni::harmless("conditionsV4", "asks less"),
    cni::harmless("conditionsV6", "asks less"),
    cni::harmless("backend", kBackend),
    cni::asks("markMasqBit", Subject::mark_bits),
    cni::asks("externalSetMarkChain", Subject::chains),
};

constexpr std::array kPtpKeys{
    kIpamKey,
    cni::asks("ipMasq", Subject::masquerade),
    cni::harmless("ipMasqBackend", kBackend),
    cni::asks("mtu", Subject::mtu),
};

/// The node's end of the pair is the pod's gateway in any case.
void ask_ptp(const cni::Request&, const Node&, Asks& asks) {
  asks.push_back(policy::ask_flag(Subject::gateway, "type"));
}

constexpr std::array kRdmaKeys{
    cni::read_by_guard("deviceID", Subject::pfs),
    cni::read_by_guard("runtimeConfig.deviceID", Subject::pfs),
    cni::read_by_guard("pciBusID", Subject::pfs),
    cni::asks("rdmaDeviceName", Subject::rdma_names),
    cni::asks("args.cni.rdmaDeviceName", Subject::rdma_names),
};

/// The function of the result is asked for too: whoever writes the configuration can write a result into it.
void ask_rdma(const cni::Request& request, const Node& node, Asks& asks) {
  vf::ask_requested_device(request.conf.root(), node, asks);
  if (!request.conf.previous) return;
  for (const cni::Interface& interface : request.conf.previous->interfaces)
    if (!interface.pci_id.empty()) vf::ask_device(node, "prevResult", interface.pci_id, asks);
}

constexpr std::array kSbrKeys{
    cni::harmless("table", kOfPod),
    cni::harmless("gateways", kOfPod),
    cni::harmless("addSourceHints", kOfPod),
};

constexpr std::array kTapKeys{
    cni::harmless("multiQueue", kOfPod),
    cni::harmless("owner", kOfPod),
    cni::harmless("group", kOfPod),
    cni::asks("mtu", Subject::mtu),
    cni::harmless("bridge", kOfPod),
    cni::asks("selinuxContext", Subject::selinux_contexts),
    kIpamKey,
};

constexpr std::array kTuningKeys{
    cni::read_by_guard("sysctl", Subject::sysctls),
    cni::harmless("mac", "asked for with the common keys"),
    cni::asks("mtu", Subject::mtu),
    cni::harmless("txQLen", kOfPod),
    cni::asks("promisc", Subject::promisc),
    cni::asks("allmulti", Subject::allmulti),
    cni::harmless("args.cni", "its keys are listed one by one"),
    cni::read_by_guard("args.cni.sysctl", Subject::sysctls),
    cni::asks("args.cni.mtu", Subject::mtu),
    cni::harmless("args.cni.txQLen", kOfPod),
    cni::asks("args.cni.promisc", Subject::promisc),
    cni::asks("args.cni.allmulti", Subject::allmulti),
    cni::asks("dataDir", Subject::data_dirs),
};

/// One form for both ways of writing a name, with the pod's interface as IFNAME or by its name.
void ask_sysctls(const std::optional<JsonView>& map, Asks& asks) {
  if (!map) return;
  for (const auto& [name, value] : map->members("an object of sysctl names and values")) {
    std::string path = name;
    const auto first = path.find_first_of("./");
    // "net.ipv4.ip_forward" and "net/ipv4/ip_forward" are one sysctl, and a rule must not be passed by with the other
    // spelling.
    if (first != std::string::npos && path[first] == '.') std::replace(path.begin(), path.end(), '.', '/');
    policy::Ask ask = policy::ask_name(Subject::sysctls, "sysctl", path);
    ask.shown = name;
    asks.push_back(std::move(ask));
  }
}

void ask_tuning(const cni::Request& request, const Node&, Asks& asks) {
  ask_sysctls(request.conf.root().find("sysctl"), asks);
  ask_sysctls(request.conf.cni_arg("sysctl"), asks);
}

constexpr std::array kVrfKeys{
    cni::harmless("vrfname", kOfPod),
    cni::harmless("table", kOfPod),
};

}  // namespace

const cni::Guard kBandwidthGuard{.keys = kBandwidthKeys};
const cni::Guard kBondGuard{.keys = kBondKeys, .more = ask_bond};
const cni::Guard kBridgeGuard{.keys = kBridgeKeys, .more = ask_bridge};
const cni::Guard kDummyGuard{.keys = kDummyKeys};
const cni::Guard kFirewallGuard{.keys = kFirewallKeys};
const cni::Guard kFlannelGuard{.keys = kFlannelKeys, .more = ask_flannel};
const cni::Guard kIpvlanGuard{.keys = kIpvlanKeys, .more = ask_master};
const cni::Guard kLoopbackGuard{.keys = {}};
const cni::Guard kMacvlanGuard{.keys = kMacvlanKeys, .more = ask_master};
const cni::Guard kPortmapGuard{.keys = kPortmapKeys};
const cni::Guard kPtpGuard{.keys = kPtpKeys, .more = ask_ptp};
const cni::Guard kRdmaGuard{.keys = kRdmaKeys, .more = ask_rdma};
const cni::Guard kSbrGuard{.keys = kSbrKeys};
const cni::Guard kTapGuard{.keys = kTapKeys};
const cni::Guard kTuningGuard{.keys = kTuningKeys, .more = ask_tuning};
const cni::Guard kVlanGuard{.keys = kVlanKeys, .more = ask_master};
const cni::Guard kVrfGuard{.keys = kVrfKeys};

}  // namespace barewire::standard
