// SPDX-License-Identifier: Apache-2.0
/// The sbr plugin, chained: packets from each address of an interface are routed by a table of its own, so that they
/// leave by that interface and that address's gateway. For pods with several interfaces or several gateways.
#include <algorithm>

#include "core/kernel/netns.h"
#include "core/state/lock_names.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/sbr/table.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "sbr";
constexpr const char* kIndexKey = "ifindex";

struct Config {
  std::optional<std::uint32_t> table;  ///< another's: rules lead there, and no route is touched
  std::vector<IpAddress> gateways;     ///< at most one of each family
  bool source_hints = false;
};

std::vector<IpAddress> parse_gateways(const JsonView& list) {
  std::vector<IpAddress> gateways;
  for (const JsonView& element : list.array("a list of IP addresses")) {
    const auto address = IpAddress::parse(element.string());
    if (!address) element.reject("an IP address");
    if (std::any_of(gateways.begin(), gateways.end(), [&](const auto& g) { return g.is_v4() == address->is_v4(); }))
      element.reject("one gateway of each address family");
    gateways.push_back(*address);
  }
  return gateways;
}

Config parse_config(const cni::Request& request) {
  const JsonView root = request.conf.root();
  Config config;
  if (const auto table = root.find("table"))
    config.table = static_cast<std::uint32_t>(table->integer(1, UINT32_MAX, "the number of a routing table"));
  if (const auto list = root.find("gateways")) config.gateways = parse_gateways(*list);
  config.source_hints = root.boolean_or("addSourceHints", false);
  return config;
}

/// Those of the interface, and those that name none.
std::vector<cni::IpConfig> addresses_of(const cni::Result& previous, const std::string& ifname) {
  std::vector<cni::IpConfig> found;
  for (const cni::IpConfig& ip : previous.ips) {
    const auto position = static_cast<std::size_t>(ip.interface.value_or(-1));
    if (position < previous.interfaces.size() && previous.interfaces[position].name != ifname) continue;
    found.push_back(ip);
  }
  // A rule for no address would do nothing, and the pod would be routed as if sbr were not there.
  if (found.empty())
    throw Error(Error::Code::config, fmt::format("\"prevResult\" has no address of interface {}", ifname),
                "sbr goes behind a plugin that gives the interface addresses");
  return found;
}

kernel::RouteInfo default_route(const IpAddress& gateway, const kernel::Link& link) {
  kernel::RouteInfo route;
  route.destination = *IpPrefix::parse(gateway.is_v4() ? "0.0.0.0/0" : "::/0");
  route.gateway = gateway;
  route.index = link.index;
  return route;
}

/// Those of the interface in the main table that move. Neighbour discovery needs the link-local route where it is.
std::vector<kernel::RouteInfo> movable_routes(kernel::NlSocket& inside, const kernel::Link& link) {
  std::vector<kernel::RouteInfo> routes;
  for (const kernel::RouteInfo& route : kernel::list_routes(inside, link.index))
    if (!route.destination.address.is_link_local()) routes.push_back(route);
  // A gateway must be on a link of its own table before the kernel takes a route through it.
  std::stable_partition(routes.begin(), routes.end(), [](const kernel::RouteInfo& route) { return !route.gateway; });
  return routes;
}

/// Does packets' way from `ip` lead by `route`? By its gateway or its preferred source; a route with neither is
/// anybody's.
bool serves(const kernel::RouteInfo& route, const cni::IpConfig& ip) {
  if (route.destination.address.is_v4() != ip.address.address.is_v4()) return false;
  const auto is_of_subnet = [&](const std::optional<IpAddress>& address) {
    return address && ip.address.contains(*address);
  };
  return is_of_subnet(route.source) || is_of_subnet(route.gateway) || (!route.source && !route.gateway);
}

std::optional<IpAddress> gateway_for(const Config& config, const cni::IpConfig& ip) {
  for (const IpAddress& gateway : config.gateways)
    if (gateway.is_v4() == ip.address.address.is_v4()) return gateway;
  return ip.gateway;
}

SourceTable plan_table(const std::vector<kernel::RouteInfo>& routes, const Config& config, const cni::IpConfig& ip,
                       const kernel::Link& link) {
  SourceTable table;
  table.source = ip.address.address;
  for (const kernel::RouteInfo& route : routes)
    if (serves(route, ip)) table.routes.push_back(route);
  const auto gateway = gateway_for(config, ip);
  const bool has_default = std::any_of(table.routes.begin(), table.routes.end(), [&](const auto& route) {
    return route.destination.is_default() && route.gateway == gateway;
  });
  if (gateway && !has_default) table.routes.push_back(default_route(*gateway, link));
  return table;
}

/// The way to the neighbours stays in the main table, with the address to speak from.
kernel::RouteInfo hinted_route(const cni::IpConfig& ip, const kernel::Link& link) {
  kernel::RouteInfo route;
  route.destination = ip.address.network();
  route.source = ip.address.address;
  route.index = link.index;
  return route;
}

SourceRouting plan(kernel::NlSocket& inside, const cni::Request& request, const Config& config,
                   const kernel::Link& link) {
  SourceRouting routing;
  const std::vector<cni::IpConfig> ips = addresses_of(*request.conf.previous, request.ifname);
  // The table is somebody else's: its routes are not touched, only rules lead there.
  if (config.table) {
    for (const cni::IpConfig& ip : ips) routing.tables.push_back({*config.table, ip.address.address, {}});
    return routing;
  }
  routing.moved = movable_routes(inside, link);
  // Under lock_netns, so that another interface of this pod does not choose the same.
  const std::vector<std::uint32_t> numbers = free_tables(inside, ips.size());
  for (std::size_t i = 0; i < ips.size(); ++i) {
    routing.tables.push_back(plan_table(routing.moved, config, ips[i], link));
    routing.tables.back().number = numbers[i];
    for (kernel::RouteInfo& route : routing.tables.back().routes) route.table = numbers[i];
    if (config.source_hints) routing.hinted.push_back(hinted_route(ips[i], link));
  }
  return routing;
}

std::optional<kernel::Link> recorded_link(kernel::NlSocket& inside, const state::Attachment& attachment) {
  const boost::json::value* index = attachment.data.if_contains(kIndexKey);
  if (index == nullptr || !index->is_int64()) return std::nullopt;
  return kernel::find_link(inside, static_cast<int>(index->get_int64()));
}

/// A pod that another suite's plugin served has no record: the rules for the interface's addresses go.
void remove_rules_of_interface(kernel::NlSocket& inside, const std::string& ifname) {
  const auto link = kernel::find_link(inside, ifname);
  if (!link) return;
  for (const kernel::AddressInfo& address : kernel::list_addresses(inside, link->index))
    for (const kernel::RuleInfo& rule : kernel::list_rules(inside, address.prefix.address.family()))
      if (rule.source && rule.source->address == address.prefix.address) kernel::remove_rule(inside, rule);
}

void undo(const state::Attachment& attachment, Node&) {
  const auto netns = netns_of(attachment);
  // Rules and tables went with it.
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  if (const auto routing = SourceRouting::from_record(attachment))
    remove_routing(inside, *routing, recorded_link(inside, attachment));
  else
    remove_rules_of_interface(inside, attachment.id.ifname);
}

/// Interfaces of one pod choose their tables one after another.
state::FileLock lock_netns(const cni::Request& request, const Node& node) {
  return store_of(node).lock(state::lock_name::routing(hash_name(request.netns)),
                             "the routing tables of " + request.netns, state::kLockTimeout,
                             state::FileLock::File::goes);
}

cni::Result add(const cni::Request& request, Node& node) {
  const Config config = parse_config(request);
  const cni::Result result = require_previous(request);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    const state::FileLock tables = lock_netns(request, node);
    kernel::NlSocket& inside = request.pod_socket();
    const kernel::Link link = kernel::get_link(inside, request.ifname);
    // Planned whole, put on record, then made: what an ADD that is killed has moved can be moved back.
    const SourceRouting routing = plan(inside, request, config, link);
    attachment.data[kIndexKey] = link.index;
    routing.to_record(attachment);
    store_of(node).save(attachment);
    make_routing(inside, routing);
    return result;
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo);
}

void check(const cni::Request& request, Node& node) {
  require_previous(request);
  const auto record = find_record(request, node, kName);
  const auto routing = record ? SourceRouting::from_record(*record) : std::nullopt;
  if (!routing) throw Error(Error::Code::drift, fmt::format("{}: there is no record of its table", request.ifname));
  kernel::NlSocket& inside = request.pod_socket();
  throw_drift(request.ifname, compare_routing(inside, *routing));
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

}  // namespace

const cni::Plugin kSbr{.name = kName,
                       .about = "routes what comes from each address of an interface by a table of its own",
                       .add = add,
                       .del = del,
                       .check = check,
                       .gc = gc,
                       .validate = [](const cni::Request& request) { parse_config(request); }};

}  // namespace barewire::standard
