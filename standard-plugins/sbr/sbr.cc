// SPDX-License-Identifier: Apache-2.0
/// The sbr plugin, chained: packets from the addresses of an interface are routed by a table of its own, so that they
/// leave by it. For pods with several interfaces.
#include <algorithm>

#include "core/kernel/netns.h"
#include "core/log.h"
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
  std::optional<std::uint32_t> table;
  std::vector<IpAddress> gateways;
  bool source_hints = false;
};

Config parse_config(const cni::Request& request) {
  const JsonView root = request.conf.root();
  Config config;
  if (const auto table = root.find("table"))
    config.table = static_cast<std::uint32_t>(table->integer(1, UINT32_MAX, "the number of a routing table"));
  if (const auto list = root.find("gateways"))
    for (const JsonView& gateway : list->array("a list of IP addresses")) {
      const auto address = IpAddress::parse(gateway.string());
      if (!address) gateway.reject("an IP address");
      config.gateways.push_back(*address);
    }
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

/// Neighbour discovery needs the link-local route where it is.
bool is_movable(const kernel::RouteInfo& route) {
  return !route.destination.address.is_link_local();
}

SourceTable plan(kernel::NlSocket& inside, const cni::Request& request, const Config& config,
                 const kernel::Link& link) {
  SourceTable table;
  table.number = config.table ? *config.table : first_free_table(inside);
  for (const kernel::RouteInfo& route : kernel::list_routes(inside, link.index))
    if (is_movable(route)) table.moved.push_back(route);
  // A gateway must be on a link of its own table before the kernel takes a route through it.
  std::stable_partition(table.moved.begin(), table.moved.end(),
                        [](const kernel::RouteInfo& route) { return !route.gateway; });
  std::vector<IpAddress> gateways = config.gateways;
  for (const cni::IpConfig& ip : addresses_of(*request.conf.previous, request.ifname)) {
    table.sources.push_back(ip.address.address);
    if (config.gateways.empty() && ip.gateway) gateways.push_back(*ip.gateway);
  }
  for (const IpAddress& gateway : gateways) {
    const bool has_default = std::any_of(table.moved.begin(), table.moved.end(), [&](const kernel::RouteInfo& route) {
      return route.destination.is_default() && route.gateway == gateway;
    });
    if (!has_default) table.defaults.push_back(default_route(gateway, link));
  }
  return table;
}

/// Of two routes to the same destination in one table the first one made is used.
void warn_of_others(kernel::NlSocket& inside, const SourceTable& table, const kernel::Link& link) {
  const auto wanted = table.routes(false);
  for (const kernel::RouteInfo& route : kernel::list_routes(inside, 0, table.number))
    if (route.index != link.index && std::any_of(wanted.begin(), wanted.end(), [&](const kernel::RouteInfo& own) {
          return own.destination.network() == route.destination.network();
        }))
      log_warning("config key \"table\" is {}, in which another interface than {} has a route to {}; that one is used",
                  table.number, link.name, route.destination.text());
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
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  if (const auto table = SourceTable::from_record(attachment))
    remove_table(inside, *table, recorded_link(inside, attachment));
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
    kernel::NlSocket inside = kernel::NlSocket::in(request.pod_netns());
    const kernel::Link link = kernel::get_link(inside, request.ifname);
    const SourceTable table = plan(inside, request, config, link);
    attachment.data[kIndexKey] = link.index;
    table.to_record(attachment);
    store_of(node).save(attachment);
    if (config.table) warn_of_others(inside, table, link);
    make_table(inside, table, config.source_hints);
    return result;
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo);
}

void check(const cni::Request& request, Node& node) {
  require_previous(request);
  const auto record = find_record(request, node, kName);
  const auto table = record ? SourceTable::from_record(*record) : std::nullopt;
  if (!table) throw Error(Error::Code::drift, fmt::format("{}: there is no record of its table", request.ifname));
  kernel::NlSocket inside = kernel::NlSocket::in(request.pod_netns());
  throw_drift(request.ifname, compare_table(inside, *table));
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

}  // namespace

const cni::Plugin kSbr{.name = kName,
                       .about = "routes what comes from an interface's addresses by a table of its own",
                       .add = add,
                       .del = del,
                       .check = check,
                       .gc = gc};

}  // namespace barewire::standard
