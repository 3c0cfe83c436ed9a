// SPDX-License-Identifier: Apache-2.0
// Each part of the attachment names all its differences at once: who mends one should not find the next only then.
#include "standard-plugins/bridge/check.h"

#include <algorithm>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/kernel/address.h"
#include "standard-plugins/bridge/config.h"
#include "standard-plugins/bridge/spoof_check.h"
#include "standard-plugins/bridge/vlan_gateway.h"
#include "standard-plugins/common/gateway.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"

namespace barewire::standard {

namespace {

using Clauses = std::vector<std::string>;

void take(Clauses& clauses, const Clauses& more) {
  clauses.insert(clauses.end(), more.begin(), more.end());
}

kernel::Link find_bridge(kernel::NlSocket& host, const BridgeConfig& config) {
  const auto bridge = kernel::find_link(host, config.bridge);
  if (!bridge) throw Error(Error::Code::drift, fmt::format("bridge {} is missing", config.bridge));
  Clauses clauses;
  if (bridge->kind != "bridge") clauses.emplace_back("it is no bridge");
  if (!bridge->is_up()) clauses.emplace_back("it is down");
  if (config.promisc && !bridge->is_promiscuous()) clauses.emplace_back("it is not promiscuous");
  if (config.filters_vlans() && !vlan_filtering_of(host, bridge->index).value_or(false))
    clauses.emplace_back("it does not filter VLANs");
  throw_drift(config.bridge, clauses);
  return *bridge;
}

/// The host's end: the entry of prevResult after the bridge.
kernel::Link find_port(kernel::NlSocket& host, const cni::Result& previous, const BridgeConfig& config) {
  const auto& list = previous.interfaces;
  const auto entry = std::find_if(list.begin(), list.end(), [&](const cni::Interface& interface) {
    return interface.sandbox.empty() && interface.name != config.bridge;
  });
  if (entry == list.end())
    throw Error(Error::Code::config, "config key \"prevResult.interfaces\" names no host interface of the pod");
  const auto port = kernel::find_link(host, entry->name);
  if (!port) throw Error(Error::Code::drift, fmt::format("{} is missing on the node", entry->name));
  return *port;
}

Clauses compare_vlans(kernel::NlSocket& host, const kernel::Link& port, const BridgeConfig& config) {
  if (!config.filters_vlans()) return {};
  const std::vector<PortVlan> present = port_vlans(host, port.index);
  Clauses clauses;
  // A VLAN more than these is an administrator's.
  for (const PortVlan& wanted : config.port_vlans())
    if (std::find(present.begin(), present.end(), wanted) == present.end())
      clauses.push_back(fmt::format("it is not in VLAN {}", wanted.id));
  return clauses;
}

void check_port(kernel::NlSocket& host, const kernel::Link& bridge, const kernel::Link& port,
                const BridgeConfig& config) {
  Clauses clauses;
  if (port.master != bridge.index) clauses.push_back("it is no port of " + bridge.name);
  if (!port.is_up()) clauses.emplace_back("it is down");
  const PortSettings settings = port_of(host, port);
  // What is on without having been asked for is no drift.
  if (config.port.hairpin && !settings.hairpin) clauses.emplace_back("hairpin mode is off");
  if (config.port.isolated && !settings.isolated) clauses.emplace_back("it is not isolated");
  take(clauses, compare_vlans(host, port, config));
  throw_drift(port.name, clauses);
}

void check_container(const cni::Request& request, const cni::Result& previous, const BridgeConfig& config) {
  const int position = cni::find_position(previous, request.ifname);
  kernel::NlSocket& inside = request.pod_socket();
  const kernel::Link link = check_container_interface(inside, request, previous, position);
  if (config.has_container_interface && !link.is_up()) throw_drift(link.name, {"it is down"});
  if (config.has_ipam) cni::check_interface(inside, link, previous, position);
}

void check_gateway(kernel::NlSocket& host, const kernel::Link& bridge, const cni::Result& previous,
                   const BridgeConfig& config) {
  const std::string name = config.vlan != 0 ? vlan_gateway_name(config.bridge, config.vlan) : bridge.name;
  const auto link = kernel::find_link(host, name);
  if (!link) throw Error(Error::Code::drift, fmt::format("{} is missing on the node", name));
  const auto present = kernel::list_addresses(host, link->index);
  Clauses clauses;
  for (const IpPrefix& gateway : gateways_of(previous)) {
    const bool found = std::any_of(present.begin(), present.end(),
                                   [&](const kernel::AddressInfo& address) { return address.prefix == gateway; });
    if (!found) clauses.push_back(fmt::format("gateway address {} is missing", gateway.text()));
  }
  take(clauses, compare_forwarding(previous.ips));
  throw_drift(name, clauses);
}

void check_rules(const state::Attachment& attachment) {
  Clauses clauses;
  if (const auto masquerade = Masquerade::from_record(attachment))
    take(clauses, compare_masquerade(attachment.id, *masquerade));
  if (const auto spoof = SpoofCheck::from_record(attachment)) take(clauses, compare_spoof_check(attachment.id, *spoof));
  throw_drift(attachment.id.text(), clauses);
}

}  // namespace

void check_bridge(const cni::Request& request, Node& node) {
  const BridgeConfig config = BridgeConfig::parse(request);
  const cni::Result& previous = require_previous(request);
  cni::ipam_check(request, node);
  kernel::NlSocket host;
  const kernel::Link bridge = find_bridge(host, config);
  check_port(host, bridge, find_port(host, previous, config), config);
  // From the node to the pod: where the bridge is gone, all the rest would be reported wrong too.
  check_container(request, previous, config);
  if (config.is_gateway && config.has_ipam) check_gateway(host, bridge, previous, config);
  // Only the record tells of rules: a pod of the reference plugin has none of ours.
  if (const auto record = find_record(request, node, "bridge")) check_rules(*record);
}

}  // namespace barewire::standard
