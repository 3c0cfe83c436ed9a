// SPDX-License-Identifier: Apache-2.0
/// The bridge plugin: a veth pair between the pod and a bridge of the node. CHECK is in check.cc.
#include <algorithm>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/zero_values.h"
#include "core/kernel/veth.h"
#include "core/rollback.h"
#include "standard-plugins/bridge/check.h"
#include "standard-plugins/bridge/config.h"
#include "standard-plugins/bridge/spoof_check.h"
#include "standard-plugins/bridge/vlan_gateway.h"
#include "standard-plugins/common/gateway.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/common/reference.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/repair.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "bridge";
constexpr int kContainerPosition = 2;  ///< in the result: bridge, host's end, container's end

void undo(const state::Attachment& attachment, Node& node) {
  Collector collector;
  collector.run("masquerade", [&] {
    if (const auto masquerade = Masquerade::from_record(attachment))
      remove_masquerade(attachment.id, *masquerade, node);
    // No record: the reference plugin may have made this pod's rules, in chains named after it.
    else if (attachment.data.empty())
      remove_reference_masquerade(attachment.id);
  });
  collector.run("spoof check", [&] {
    if (const auto check = SpoofCheck::from_record(attachment))
      remove_spoof_check(attachment.id, *check);
    else if (attachment.data.empty())
      remove_reference_spoof_check(attachment.id);
  });
  // Before the interface goes: a DHCP server is told through it.
  collector.run("addresses", [&] { release_addresses(attachment, node); });
  collector.run("interface", [&] { remove_pod_veth(attachment); });
  collector.finish();
}

/// One ADD at work: what its steps share.
struct Work {
  const cni::Request& request;
  Node& node;
  BridgeConfig config;
  const kernel::NetNs& netns;
  state::Attachment& attachment;
  kernel::NlSocket host;
  cni::Result result;
};

void set_port_vlans(Work& work, const kernel::Link& port) {
  if (!work.config.filters_vlans()) return;
  // The kernel puts each new port of a filtering bridge into VLAN 1, untagged.
  if (!work.config.keeps_default_vlan()) remove_port_vlan(work.host, port, 1);
  add_port_vlans(work.host, port, work.config.port_vlans());
}

/// Of one ADD, on the node.
struct Ends {
  kernel::Link bridge;
  kernel::Link port;
};

/// Bridge, pair and port.
Ends connect(Work& work, kernel::VethPair pair) {
  const kernel::Link bridge = ensure_bridge(work.host, {.name = work.config.bridge,
                                                        .mtu = work.config.mtu,
                                                        .promisc = work.config.promisc,
                                                        .vlan_filtering = work.config.filters_vlans()});
  pair.master = bridge.index;
  const kernel::Link port = kernel::create_veth(work.host, work.netns, pair);
  ignore_router_advertisements(port);
  // Hairpin and VLANs before the pod's end is up: no frame of it passes under other terms.
  if (work.config.port != PortSettings{}) set_port(work.host, port, work.config.port);
  set_port_vlans(work, port);
  if (const auto check = SpoofCheck::from_record(work.attachment)) add_spoof_check(work.attachment.id, *check);
  work.result.interfaces = {interface_of(bridge), interface_of(port)};
  return {bridge, port};
}

/// What IPAM answered, completed with gateways and default routes.
void take_addresses(Work& work) {
  cni::Result answer = standard::take_addresses(work.request, work.attachment, work.node);
  cni::assign_addresses_to(answer, kContainerPosition);
  if (work.config.is_gateway) default_gateways(answer);
  if (work.config.is_default_gateway) add_default_routes(answer);
  work.result.ips = answer.ips;
  work.result.routes = answer.routes;
  work.result.dns = answer.dns;
}

/// Whether anything but pods of this node is behind the bridge: only there can somebody else have the gateway's
/// address.
bool leads_elsewhere(kernel::NlSocket& host, const kernel::Link& bridge) {
  const auto links = kernel::list_links(host);
  return std::any_of(links.begin(), links.end(),
                     [&](const kernel::Link& link) { return link.master == bridge.index && link.kind != "veth"; });
}

/// Returns the interface that has the gateway's addresses.
kernel::Link be_gateway(Work& work, const kernel::Link& bridge) {
  const bool in_vlan = work.config.vlan != 0;
  const kernel::Link link = in_vlan ? ensure_vlan_gateway(work.host, bridge, work.config) : bridge;
  if (in_vlan) work.result.interfaces.push_back(interface_of(link));
  const GatewayTerms terms{.force = work.config.force_address,
                           .probe = [&] { return leads_elsewhere(work.host, bridge); }};
  for (const IpPrefix& gateway : gateways_of(work.result)) ensure_gateway(work.host, link, gateway, terms);
  enable_forwarding(work.result.ips);
  return link;
}

void masquerade(Work& work) {
  Masquerade masquerade{.backend = work.config.masquerade_backend, .addresses = {}};
  for (const cni::IpConfig& ip : work.result.ips) masquerade.addresses.push_back(ip.address);
  // On record before the first rule: an ADD that is killed in between left what DEL needs to find the rules.
  masquerade.to_record(work.attachment);
  store_of(work.node).save(work.attachment);
  add_masquerade(work.attachment.id, masquerade, work.node);
}

void address(Work& work, const Ends& host, kernel::NlSocket& inside, const kernel::Link& link) {
  // Before the address is added: the kernel announces it by itself when the link gets its carrier.
  prepare_for_addresses(work.netns, link, work.config.duplicate_address_detection);
  std::optional<kernel::Link> gateway;
  if (work.config.is_gateway) gateway = be_gateway(work, host.bridge);
  cni::configure_interface(work.netns, inside, link, work.result, kContainerPosition);
  wait_for_pod_veth(work.host, host.port, inside, link);
  // What the kernel sent as the link came up was lost, for the bridge let nothing through yet.
  cni::announce_addresses(work.netns, inside, link, work.result, kContainerPosition);
  // A pod's first packet goes to its gateway, whose IPv6 address may still be probed for.
  if (gateway) cni::wait_for_addresses(work.host, *gateway, gateways_of(work.result));
  if (work.config.masquerade) masquerade(work);
}

void make_record(Work& work, const kernel::VethPair& pair) {
  work.attachment.data["hostInterface"] = pair.host.name;
  work.attachment.data["bridge"] = work.config.bridge;
  if (work.config.spoof_check) SpoofCheck{pair.host.name, *pair.pod.mac}.to_record(work.attachment);
  store_of(work.node).save(work.attachment);
}

void build(Work& work) {
  kernel::VethPair pair;
  pair.host.name = random_veth_name();
  pair.pod.name = work.request.ifname;
  pair.pod.mac = work.config.mac ? *work.config.mac : random_mac();
  if (work.config.mtu != 0) pair.mtu = work.config.mtu;
  // The names are chosen here and on record before anything of them exists.
  make_record(work, pair);
  const Ends host = connect(work, pair);
  kernel::NlSocket& inside = work.request.pod_socket();
  const kernel::Link link = kernel::get_link(inside, work.request.ifname);
  work.result.interfaces.push_back(interface_of(link, work.request.netns));
  if (work.config.has_ipam) {
    take_addresses(work);
    address(work, host, inside, link);
  } else if (work.config.has_container_interface) {
    kernel::set_up(inside, link);
    wait_for_pod_veth(work.host, host.port, inside, link);
  }
  // A bridge without an address of its own takes that of its first ports.
  work.result.interfaces.front() = interface_of(kernel::get_link(work.host, work.config.bridge));
}

cni::Result add(const cni::Request& request, Node& node) {
  const BridgeConfig config = BridgeConfig::parse(request);
  cni::require_ipam(request, node);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    Work work{.request = request,
              .node = node,
              .config = config,
              .netns = request.pod_netns(),
              .attachment = attachment,
              .host = kernel::NlSocket(),
              .result = {}};
    build(work);
    if (cni::overrides_dns(request)) work.result.dns = request.conf.dns;
    return std::move(work.result);
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo);
}

void gc(const cni::Request& request, Node& node) {
  Collector collector;
  collector.run("pods", [&] { collect_with_addresses(request, node, kName, undo); });
  collector.run("masquerading of the reference plugin", [&] { collect_reference_masquerade(request); });
  collector.finish();
}

}  // namespace

const cni::Plugin kBridge{.name = kName,
                          .about = "connects the pod to a bridge of the node with a veth pair",
                          .add = add,
                          .del = del,
                          .check = check_bridge,
                          .gc = gc,
                          .status = cni::ipam_status,
                          .validate = [](const cni::Request& request) { BridgeConfig::parse(request); },
                          .repair = repair_rules};

}  // namespace barewire::standard
