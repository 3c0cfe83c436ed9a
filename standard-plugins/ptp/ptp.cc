// SPDX-License-Identifier: Apache-2.0
/// The ptp plugin: a veth pair between the pod and the node with no bridge; the node routes to each pod address and is
/// the pod's neighbour for everything, its own subnet included.
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/zero_values.h"
#include "core/kernel/address.h"
#include "core/kernel/veth.h"
#include "core/rollback.h"
#include "standard-plugins/common/gateway.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/links.h"
#include "standard-plugins/common/masquerade.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/common/reference.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/repair.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "ptp";
constexpr int kContainerPosition = 1;  ///< in the result: host's end, container's end

struct Config {
  bool masquerade = false;
  NatBackend backend = NatBackend::nftables;
  std::uint32_t mtu = 0;  ///< 0 = the kernel's
};

Config parse_config(const cni::Request& request) {
  constexpr std::int64_t kLargestMtu = 65535;
  const JsonView root = request.conf.root();
  Config config;
  config.masquerade = root.boolean_or("ipMasq", false);
  if (config.masquerade) config.backend = parse_masquerade_backend(root);
  config.mtu =
      static_cast<std::uint32_t>(root.integer_or("mtu", 0, kLargestMtu, "an MTU in bytes, 0 for the default", 0));
  cni::require_ipam_type(request);
  return config;
}

void undo(const state::Attachment& attachment, Node& node) {
  Collector collector;
  collector.run("masquerade", [&] {
    if (const auto masquerade = Masquerade::from_record(attachment))
      remove_masquerade(attachment.id, *masquerade, node);
    else if (attachment.data.empty())
      remove_reference_masquerade(attachment.id);
  });
  // Before the interface goes: a DHCP server is told through it.
  collector.run("addresses", [&] { release_addresses(attachment, node); });
  collector.run("interface", [&] { remove_pod_veth(attachment); });
  collector.finish();
}

IpPrefix host_prefix(const IpAddress& address) {
  return {address, static_cast<std::uint8_t>(address.size() * 8)};
}

/// In the pod: the gateway alone is on the link; the rest of the subnet is behind it.
void route_through_gateway(kernel::NlSocket& inside, const kernel::Link& link, const cni::IpConfig& ip) {
  kernel::RouteInfo subnet;
  subnet.destination = ip.address.network();
  subnet.index = link.index;
  subnet.scope = RT_SCOPE_LINK;
  subnet.protocol = RTPROT_KERNEL;
  // IPv6 routes have no scope.
  if (ip.address.address.is_v6()) subnet.scope.reset();
  kernel::remove_route(inside, subnet);  // the kernel made it with the address

  kernel::RouteInfo gateway;
  gateway.destination = host_prefix(*ip.gateway);
  gateway.index = link.index;
  gateway.source = ip.address.address;
  if (ip.address.address.is_v4()) gateway.scope = RT_SCOPE_LINK;
  kernel::add_route(inside, gateway, kernel::IfExists::beside);
  // An address of /32 or /128 has no subnet to route to.
  if (subnet.destination == host_prefix(ip.address.address)) return;
  kernel::RouteInfo behind;
  behind.destination = subnet.destination;
  behind.gateway = ip.gateway;
  behind.index = link.index;
  behind.source = ip.address.address;
  kernel::add_route(inside, behind, kernel::IfExists::beside);
}

/// On the node: the gateway's address on this link, and the pod's address behind it.
void route_to_pod(kernel::NlSocket& host, const kernel::Link& link, const cni::IpConfig& ip) {
  // Nobody else is on this link, so there is no duplicate to look for.
  kernel::add_address(host, link.index, host_prefix(*ip.gateway), ip.gateway->is_v6() ? IFA_F_NODAD : 0);
  kernel::RouteInfo route;
  route.destination = host_prefix(ip.address.address);
  route.index = link.index;
  // As the reference makes it: the route ends on this link.
  if (ip.address.address.is_v4()) route.scope = RT_SCOPE_HOST;
  kernel::add_route(host, route);
}

struct Work {
  const cni::Request& request;
  Node& node;
  Config config;
  const kernel::NetNs& netns;
  state::Attachment& attachment;
  kernel::NlSocket host;
  cni::Result result;
};

void masquerade(Work& work) {
  Masquerade masquerade{.backend = work.config.backend, .addresses = {}};
  for (const cni::IpConfig& ip : work.result.ips) masquerade.addresses.push_back(ip.address);
  masquerade.to_record(work.attachment);
  store_of(work.node).save(work.attachment);
  add_masquerade(work.attachment.id, masquerade, work.node);
}

kernel::Link connect(Work& work) {
  kernel::VethPair pair;
  pair.host.name = random_veth_name();
  pair.pod.name = work.request.ifname;
  if (work.config.mtu != 0) pair.mtu = work.config.mtu;
  // Chosen here, and on record before it exists: a killed ADD is undone by it.
  work.attachment.data["hostInterface"] = pair.host.name;
  store_of(work.node).save(work.attachment);
  const kernel::Link port = kernel::create_veth(work.host, work.netns, pair);
  ignore_router_advertisements(port);
  return port;
}

void build(Work& work) {
  const kernel::Link port = connect(work);
  kernel::NlSocket& inside = work.request.pod_socket();
  const kernel::Link link = kernel::get_link(inside, work.request.ifname);
  work.result = take_addresses(work.request, work.attachment, work.node);
  work.result.interfaces = {interface_of(port), interface_of(link, work.request.netns)};
  cni::assign_addresses_to(work.result, kContainerPosition);
  default_gateways(work.result);
  prepare_for_addresses(work.netns, link, false);  // the node alone is on this link: nobody to probe for
  cni::configure_interface(work.netns, inside, link, work.result, kContainerPosition);
  // Before the routes: IPv6 takes none through a link that has not come up.
  wait_for_pod_veth(work.host, port, inside, link);
  // Each address has its own way, in both directions: two families, or two addresses, do not share a gateway.
  for (const cni::IpConfig& ip : work.result.ips) {
    route_through_gateway(inside, link, ip);
    route_to_pod(work.host, port, ip);
  }
  enable_forwarding(work.result.ips);
  if (work.config.masquerade) masquerade(work);
}

cni::Result add(const cni::Request& request, Node& node) {
  const Config config = parse_config(request);
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

std::vector<std::string> compare_host(kernel::NlSocket& host, const kernel::Link& port, const cni::Result& previous) {
  std::vector<std::string> clauses;
  if (!port.is_up()) clauses.emplace_back("it is down");
  const auto addresses = kernel::list_addresses(host, port.index);
  const auto routes = kernel::list_routes(host, port.index);
  for (const cni::IpConfig& ip : previous.ips) {
    const IpPrefix pod = host_prefix(ip.address.address);
    if (ip.gateway && std::none_of(addresses.begin(), addresses.end(), [&](const kernel::AddressInfo& address) {
          return address.prefix == host_prefix(*ip.gateway);
        }))
      clauses.push_back(fmt::format("gateway address {} is missing", ip.gateway->text()));
    if (std::none_of(routes.begin(), routes.end(),
                     [&](const kernel::RouteInfo& route) { return route.destination == pod; }))
      clauses.push_back(fmt::format("route to {} is missing", pod.text()));
  }
  for (const std::string& clause : compare_forwarding(previous.ips)) clauses.push_back(clause);
  return clauses;
}

/// The pod's routes to its gateway and through it; a later plugin may have moved them to another table.
std::vector<std::string> compare_pod_routes(kernel::NlSocket& inside, const kernel::Link& link,
                                            const cni::Result& previous) {
  std::vector<std::string> clauses;
  // All tables.
  const auto routes = kernel::list_routes(inside, link.index, 0);
  const auto require = [&](const IpPrefix& destination) {
    if (std::none_of(routes.begin(), routes.end(),
                     [&](const kernel::RouteInfo& route) { return route.destination == destination; }))
      clauses.push_back(fmt::format("route to {} is missing", destination.text()));
  };
  for (const cni::IpConfig& ip : previous.ips) {
    if (!ip.gateway) continue;
    require(host_prefix(*ip.gateway));
    if (ip.address.network() != host_prefix(ip.address.address)) require(ip.address.network());
  }
  return clauses;
}

void check(const cni::Request& request, Node& node) {
  parse_config(request);
  const cni::Result& previous = require_previous(request);
  cni::ipam_check(request, node);
  const int position = cni::find_position(previous, request.ifname);
  kernel::NlSocket& inside = request.pod_socket();
  const kernel::Link link = check_container_interface(inside, request, previous, position);
  if (!link.is_up()) throw_drift(link.name, {"it is down"});
  cni::check_interface(inside, link, previous, position);
  throw_drift(link.name, compare_pod_routes(inside, link, previous));
  const auto& host_entry = previous.interfaces.front();
  kernel::NlSocket host;
  const auto port = kernel::find_link(host, host_entry.name);
  if (!port) throw Error(Error::Code::drift, fmt::format("{} is missing on the node", host_entry.name));
  throw_drift(port->name, compare_host(host, *port, previous));
  const auto record = find_record(request, node, kName);
  if (!record) return;
  if (const auto masquerade = Masquerade::from_record(*record))
    throw_drift(record->id.text(), compare_masquerade(record->id, *masquerade));
}

void gc(const cni::Request& request, Node& node) {
  Collector collector;
  collector.run("pods", [&] { collect_with_addresses(request, node, kName, undo); });
  collector.run("masquerading of the reference plugin", [&] { collect_reference_masquerade(request); });
  collector.finish();
}

}  // namespace

const cni::Plugin kPtp{.name = kName,
                       .about = "connects the pod to the node with a veth pair and routes",
                       .add = add,
                       .del = del,
                       .check = check,
                       .gc = gc,
                       .status = cni::ipam_status,
                       .validate = [](const cni::Request& request) { parse_config(request); },
                       .repair = repair_rules};

}  // namespace barewire::standard
