// SPDX-License-Identifier: Apache-2.0
// Tables are the pod's; a number that no rule and no route of it uses is free.
#include "standard-plugins/sbr/table.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <cerrno>

#include "core/json_view.h"
#include "core/rollback.h"

namespace barewire::standard {

namespace json = boost::json;
using kernel::RouteInfo;

namespace {

IpPrefix host_prefix(const IpAddress& address) {
  return {address, static_cast<std::uint8_t>(address.size() * 8)};
}

kernel::RuleInfo rule_of(const SourceTable& table) {
  return {.family = table.source.family(), .source = host_prefix(table.source), .table = table.number};
}

json::object to_json(const RouteInfo& route) {
  // By the link's number: the pod may rename it, and the record is read against the same netns.
  json::object object{{"dst", route.destination.text()}, {"dev", route.index}, {"protocol", route.protocol}};
  if (route.gateway) object["gw"] = route.gateway->text();
  if (route.source) object["src"] = route.source->text();
  if (route.scope) object["scope"] = *route.scope;
  if (route.priority) object["priority"] = *route.priority;
  if (route.mtu) object["mtu"] = *route.mtu;
  if (route.advmss) object["advmss"] = *route.advmss;
  if (route.onlink) object["onlink"] = true;
  return object;
}

std::optional<std::uint32_t> find_number(const JsonView& object, std::string_view key) {
  const auto view = object.find(key);
  if (!view) return std::nullopt;
  return static_cast<std::uint32_t>(view->integer(0, UINT32_MAX, "a number"));
}

std::optional<IpAddress> find_address(const JsonView& object, std::string_view key) {
  const auto view = object.find(key);
  return view ? IpAddress::parse(view->string()) : std::nullopt;
}

RouteInfo parse_route(const JsonView& object, std::uint32_t table) {
  RouteInfo route;
  const auto destination = IpPrefix::parse(object.at("dst").string());
  if (!destination) object.at("dst").reject("a prefix");
  route.destination = *destination;
  route.table = table;
  route.index = static_cast<int>(find_number(object, "dev").value_or(0));
  route.protocol = static_cast<std::uint8_t>(find_number(object, "protocol").value_or(RTPROT_BOOT));
  route.gateway = find_address(object, "gw");
  route.source = find_address(object, "src");
  if (const auto scope = find_number(object, "scope")) route.scope = static_cast<std::uint8_t>(*scope);
  route.priority = find_number(object, "priority");
  route.mtu = find_number(object, "mtu");
  route.advmss = find_number(object, "advmss");
  route.onlink = object.boolean_or("onlink", false);
  return route;
}

json::array to_json(const std::vector<RouteInfo>& routes) {
  json::array list;
  for (const RouteInfo& route : routes) list.push_back(to_json(route));
  return list;
}

std::vector<RouteInfo> parse_routes(const JsonView& list, std::uint32_t table) {
  std::vector<RouteInfo> routes;
  for (const JsonView& route : list.array()) routes.push_back(parse_route(route, table));
  return routes;
}

bool is_same(const RouteInfo& a, const RouteInfo& b) {
  // What tells two routes of a table apart for a pod; the kernel fills in the rest by itself.
  return a.destination.network() == b.destination.network() && a.gateway == b.gateway && a.index == b.index;
}

json::object to_json(const SourceTable& table) {
  return {{"number", table.number}, {"source", table.source.text()}, {"routes", to_json(table.routes)}};
}

SourceTable parse_table(const JsonView& view) {
  SourceTable table;
  table.number = find_number(view, "number").value_or(0);
  const auto source = find_address(view, "source");
  if (!source) view.at("source").reject("an IP address");
  table.source = *source;
  table.routes = parse_routes(view.at("routes"), table.number);
  return table;
}

/// Records of releases that gave all addresses of an interface one table.
SourceRouting parse_shared_table(const JsonView& view) {
  SourceRouting routing;
  const std::uint32_t number = find_number(view, "number").value_or(0);
  std::vector<RouteInfo> routes = parse_routes(view.at("moved"), number);
  for (const RouteInfo& route : parse_routes(view.at("defaults"), number)) routes.push_back(route);
  for (const JsonView& source : view.at("sources").array())
    if (const auto address = IpAddress::parse(source.string())) routing.tables.push_back({number, *address, routes});
  routing.moved = parse_routes(view.at("moved"), RT_TABLE_MAIN);
  return routing;
}

/// All of the link's in a table of ours, whatever made them; none in one of somebody else (config key "table").
void remove_routes_of(kernel::NlSocket& inside, const SourceTable& table, const kernel::Link& link,
                      Collector& collector) {
  if (table.routes.empty()) return;
  for (const RouteInfo& route : kernel::list_routes(inside, link.index, table.number))
    collector.run("route", [&] { kernel::remove_route(inside, route); });
}

}  // namespace

std::optional<SourceRouting> SourceRouting::from_record(const state::Attachment& attachment) {
  const json::value data = attachment.data;
  const JsonView view(data, "record key", Error::Code::state);
  if (const auto shared = view.find("table"); shared && shared->is_object()) return parse_shared_table(*shared);
  const auto tables = view.find("tables");
  if (!tables) return std::nullopt;
  SourceRouting routing;
  for (const JsonView& table : tables->array()) routing.tables.push_back(parse_table(table));
  routing.moved = parse_routes(view.at("moved"), RT_TABLE_MAIN);
  routing.hinted = parse_routes(view.at("hinted"), RT_TABLE_MAIN);
  return routing;
}

void SourceRouting::to_record(state::Attachment& attachment) const {
  json::array list;
  for (const SourceTable& table : tables) list.push_back(to_json(table));
  attachment.data["tables"] = std::move(list);
  attachment.data["moved"] = to_json(moved);
  attachment.data["hinted"] = to_json(hinted);
}

std::vector<std::uint32_t> free_tables(kernel::NlSocket& inside, std::size_t count) {
  // As the reference counts: below are the numbers that people choose by hand.
  constexpr std::uint32_t kFirst = 100;
  std::vector<std::uint32_t> used;
  for (const int family : {AF_INET, AF_INET6})
    for (const kernel::RuleInfo& rule : kernel::list_rules(inside, family)) used.push_back(rule.table);
  // Tables without a rule too: somebody may be about to make one.
  for (const RouteInfo& route : kernel::list_routes(inside, 0, 0)) used.push_back(route.table);
  std::vector<std::uint32_t> free;
  for (std::uint32_t number = kFirst; free.size() < count; ++number)
    if (std::find(used.begin(), used.end(), number) == used.end()) free.push_back(number);
  return free;
}

void make_routing(kernel::NlSocket& inside, const SourceRouting& routing) {
  // Rules first, whose tables are still empty and so lead on to the main one; routes are there twice for a moment and
  // never missing.
  for (const SourceTable& table : routing.tables) kernel::add_rule(inside, rule_of(table));
  for (const SourceTable& table : routing.tables)
    for (const RouteInfo& route : table.routes) kernel::add_route(inside, route, kernel::IfExists::beside);
  for (const RouteInfo& route : routing.moved) kernel::remove_route(inside, route);
  for (const RouteInfo& route : routing.hinted) kernel::add_route(inside, route, kernel::IfExists::beside);
}

void remove_routing(kernel::NlSocket& inside, const SourceRouting& routing, const std::optional<kernel::Link>& link) {
  Collector collector;
  for (const SourceTable& table : routing.tables)
    collector.run("rule", [&] { kernel::remove_rule(inside, rule_of(table)); });
  // Without the link its routes are gone by themselves, and moved ones have nowhere to go.
  if (link) {
    for (const RouteInfo& route : routing.hinted) collector.run("route", [&] { kernel::remove_route(inside, route); });
    for (const RouteInfo& route : routing.moved)
      collector.run("route", [&] { kernel::add_route(inside, route, kernel::IfExists::restore); });
    for (const SourceTable& table : routing.tables) remove_routes_of(inside, table, *link, collector);
  }
  collector.finish();
}

std::vector<std::string> compare_routing(kernel::NlSocket& inside, const SourceRouting& routing) {
  std::vector<std::string> clauses;
  for (const SourceTable& table : routing.tables) {
    const kernel::RuleInfo wanted = rule_of(table);
    const auto rules = kernel::list_rules(inside, wanted.family);
    if (std::none_of(rules.begin(), rules.end(), [&](const kernel::RuleInfo& rule) {
          return rule.source == wanted.source && rule.table == wanted.table;
        }))
      clauses.push_back(fmt::format("the rule for {} is missing", table.source.text()));
    // Through any interface: a later plugin may have moved them.
    const auto present = kernel::list_routes(inside, 0, table.number);
    for (const RouteInfo& route : table.routes)
      if (std::none_of(present.begin(), present.end(), [&](const RouteInfo& other) { return is_same(other, route); }))
        clauses.push_back(fmt::format("table {} has no route to {}", table.number, route.destination.text()));
  }
  return clauses;
}

}  // namespace barewire::standard
