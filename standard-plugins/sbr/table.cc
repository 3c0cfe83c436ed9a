// SPDX-License-Identifier: Apache-2.0
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

kernel::RuleInfo rule_of(const SourceTable& table, const IpAddress& source) {
  return {.family = source.family(), .source = host_prefix(source), .table = table.number};
}

json::object to_json(const RouteInfo& route) {
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
  return a.destination.network() == b.destination.network() && a.gateway == b.gateway && a.index == b.index;
}

}  // namespace

std::optional<SourceTable> SourceTable::from_record(const state::Attachment& attachment) {
  const json::value* found = attachment.data.if_contains("table");
  if (found == nullptr || !found->is_object()) return std::nullopt;
  const JsonView view(*found, "record key", Error::Code::state);
  SourceTable table;
  table.number = find_number(view, "number").value_or(0);
  for (const JsonView& source : view.at("sources").array())
    if (const auto address = IpAddress::parse(source.string())) table.sources.push_back(*address);
  table.moved = parse_routes(view.at("moved"), RT_TABLE_MAIN);
  table.defaults = parse_routes(view.at("defaults"), table.number);
  return table;
}

void SourceTable::to_record(state::Attachment& attachment) const {
  json::array list;
  for (const IpAddress& source : sources) list.emplace_back(source.text());
  attachment.data["table"] =
      json::object{{"number", number}, {"sources", list}, {"moved", to_json(moved)}, {"defaults", to_json(defaults)}};
}

std::vector<RouteInfo> SourceTable::routes(bool with_source_hints) const {
  std::vector<RouteInfo> all = moved;
  all.insert(all.end(), defaults.begin(), defaults.end());
  for (RouteInfo& route : all) {
    route.table = number;
    const auto source = std::find_if(sources.begin(), sources.end(), [&](const IpAddress& address) {
      return address.family() == route.destination.address.family();
    });
    if (with_source_hints && !route.source && source != sources.end()) route.source = *source;
  }
  return all;
}

std::uint32_t first_free_table(kernel::NlSocket& inside) {
  constexpr std::uint32_t kFirst = 100;
  std::vector<std::uint32_t> used;
  for (const int family : {AF_INET, AF_INET6})
    for (const kernel::RuleInfo& rule : kernel::list_rules(inside, family)) used.push_back(rule.table);
  for (const RouteInfo& route : kernel::list_routes(inside, 0, 0)) used.push_back(route.table);
  std::uint32_t number = kFirst;
  while (std::find(used.begin(), used.end(), number) != used.end()) ++number;
  return number;
}

void make_table(kernel::NlSocket& inside, const SourceTable& table, bool with_source_hints) {
  for (const IpAddress& source : table.sources) kernel::add_rule(inside, rule_of(table, source));
  for (const RouteInfo& route : table.routes(with_source_hints))
    kernel::add_route(inside, route, kernel::IfExists::beside);
  for (const RouteInfo& route : table.moved) kernel::remove_route(inside, route);
}

void remove_table(kernel::NlSocket& inside, const SourceTable& table, const std::optional<kernel::Link>& link) {
  Collector collector;
  for (const IpAddress& source : table.sources)
    collector.run("rule", [&] { kernel::remove_rule(inside, rule_of(table, source)); });
  if (link) {
    for (const RouteInfo& route : table.moved)
      collector.run("route", [&] { kernel::add_route(inside, route, kernel::IfExists::restore); });
    for (RouteInfo route : kernel::list_routes(inside, link->index, table.number))
      collector.run("route", [&] { kernel::remove_route(inside, route); });
  }
  collector.finish();
}

std::vector<std::string> compare_table(kernel::NlSocket& inside, const SourceTable& table) {
  std::vector<std::string> clauses;
  for (const IpAddress& source : table.sources) {
    const auto rules = kernel::list_rules(inside, source.family());
    const kernel::RuleInfo wanted = rule_of(table, source);
    if (std::none_of(rules.begin(), rules.end(), [&](const kernel::RuleInfo& rule) {
          return rule.source == wanted.source && rule.table == wanted.table;
        }))
      clauses.push_back(fmt::format("the rule for {} is missing", source.text()));
  }
  const auto present = kernel::list_routes(inside, 0, table.number);
  for (const RouteInfo& route : table.routes(false))
    if (std::none_of(present.begin(), present.end(), [&](const RouteInfo& other) { return is_same(other, route); }))
      clauses.push_back(fmt::format("table {} has no route to {}", table.number, route.destination.text()));
  return clauses;
}

}  // namespace barewire::standard
