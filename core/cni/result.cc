// SPDX-License-Identifier: Apache-2.0
// Every version of the specification has a shape of its own. Inside there is one, the newest. An old one is told what
// it has room for, as by the reference library; only a result without any address is an error before 0.3.0, whose shape
// is made around addresses.
#include "core/cni/result.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>

namespace barewire::cni {

namespace json = boost::json;

namespace {

constexpr Version k030{0, 3, 0}, k100{1, 0, 0};

json::array strings_to_json(const std::vector<std::string>& strings) {
  return json::array(strings.begin(), strings.end());
}

json::object dns_to_json(const Dns& dns) {
  json::object object;
  if (!dns.nameservers.empty()) object["nameservers"] = strings_to_json(dns.nameservers);
  if (!dns.domain.empty()) object["domain"] = dns.domain;
  if (!dns.search.empty()) object["search"] = strings_to_json(dns.search);
  if (!dns.options.empty()) object["options"] = strings_to_json(dns.options);
  return object;
}

json::object interface_to_json(const Interface& interface, const Version& version) {
  json::object object{{"name", interface.name}};
  if (!interface.mac.empty()) object["mac"] = interface.mac;
  // 1.0.0 carries the keys of 1.1.0, as the reference library prints them; older shapes do not know them.
  if (version >= k100 && interface.mtu != 0) object["mtu"] = interface.mtu;
  if (!interface.sandbox.empty()) object["sandbox"] = interface.sandbox;
  if (version >= k100 && !interface.socket_path.empty()) object["socketPath"] = interface.socket_path;
  if (version >= k100 && !interface.pci_id.empty()) object["pciID"] = interface.pci_id;
  return object;
}

json::object ip_to_json(const IpConfig& ip, const Version& version) {
  json::object object;
  // Required up to 0.4.0 and gone since 1.0.0. Source: CNI, Documentation/spec-upgrades.md.
  if (version < k100) object["version"] = ip.address.address.is_v4() ? "4" : "6";
  if (ip.interface) object["interface"] = *ip.interface;
  object["address"] = ip.address.text();
  if (ip.gateway) object["gateway"] = ip.gateway->text();
  return object;
}

json::object route_to_json(const Route& route, const Version& version) {
  json::object object{{"dst", route.destination.text()}};
  if (route.gateway) object["gw"] = route.gateway->text();
  if (version < k100) return object;
  if (route.mtu) object["mtu"] = *route.mtu;
  if (route.advmss) object["advmss"] = *route.advmss;
  if (route.priority) object["priority"] = *route.priority;
  if (route.table) object["table"] = *route.table;
  if (route.scope) object["scope"] = *route.scope;
  return object;
}

/// Before 0.3.0 a result held one IPv4 and one IPv6 address, each with its routes, and no interfaces.
json::object to_json_02(const Result& result, const Version& version) {
  json::object object{{"cniVersion", version.text()}};
  for (const bool v4 : {true, false}) {
    json::object family;
    for (const IpConfig& ip : result.ips) {
      if (ip.address.address.is_v4() != v4) continue;
      family["ip"] = ip.address.text();
      if (ip.gateway) family["gateway"] = ip.gateway->text();
      break;
    }
    if (family.empty()) continue;
    json::array routes;
    for (const Route& route : result.routes)
      if (route.destination.address.is_v4() == v4) routes.push_back(route_to_json(route, version));
    if (!routes.empty()) family["routes"] = std::move(routes);
    object[v4 ? "ip4" : "ip6"] = std::move(family);
  }
  // The reference library cannot convert such a result either, and says the same.
  if (object.size() == 1)
    throw Error(Error::Code::unsupported_field,
                fmt::format("printing a result without addresses as cniVersion {} failed: cannot convert: no valid IP "
                            "addresses",
                            version.text()),
                "use cniVersion 0.3.0 or newer for a network without addresses");
  object["dns"] = dns_to_json(result.dns);
  return object;
}

IpPrefix parse_prefix(const JsonView& json) {
  const auto prefix = IpPrefix::parse(json.string());
  if (!prefix) json.reject("an address with a prefix length, as 10.1.2.3/24");
  return *prefix;
}

std::optional<IpAddress> find_address(const JsonView& json, std::string_view key) {
  const auto found = json.find(key);
  if (!found || found->string().empty()) return std::nullopt;
  const auto address = IpAddress::parse(found->string());
  if (!address) found->reject("an IP address");
  return address;
}

std::optional<std::uint32_t> find_u32(const JsonView& json, std::string_view key, std::string_view meaning) {
  const auto found = json.find(key);
  if (!found) return std::nullopt;
  return static_cast<std::uint32_t>(found->integer(0, std::numeric_limits<std::uint32_t>::max(), meaning));
}

Interface parse_interface(const JsonView& json) {
  return {.name = json.string_or("name", ""),
          .mac = json.string_or("mac", ""),
          .mtu = find_u32(json, "mtu", "bytes").value_or(0),
          .sandbox = json.string_or("sandbox", ""),
          .socket_path = json.string_or("socketPath", ""),
          .pci_id = json.string_or("pciID", "")};
}

IpConfig parse_ip(const JsonView& json) {
  IpConfig ip{.address = parse_prefix(json.at("address")), .gateway = find_address(json, "gateway"), .interface = {}};
  if (const auto index = json.find("interface"))
    // Negative ones come from peers that mean "none"; who uses the index looks whether it is among the interfaces.
    ip.interface = static_cast<int>(index->integer(INT32_MIN, INT32_MAX, "an index into interfaces"));
  return ip;
}

void parse_family_02(const JsonView& family, Result& result) {
  result.ips.push_back(
      {.address = parse_prefix(family.at("ip")), .gateway = find_address(family, "gateway"), .interface = {}});
  if (const auto routes = family.find("routes"))
    for (const JsonView& route : routes->array()) result.routes.push_back(parse_route(route));
}

}  // namespace

Dns Dns::parse(const JsonView& dns) {
  Dns result;
  if (const auto found = dns.find("nameservers")) result.nameservers = found->strings();
  result.domain = dns.string_or("domain", "");
  if (const auto found = dns.find("search")) result.search = found->strings();
  if (const auto found = dns.find("options")) result.options = found->strings();
  return result;
}

Route parse_route(const JsonView& json) {
  Route route{.destination = parse_prefix(json.at("dst")),
              .gateway = find_address(json, "gw"),
              .mtu = {},
              .advmss = {},
              .priority = {},
              .table = {},
              .scope = {}};
  route.mtu = find_u32(json, "mtu", "bytes");
  route.advmss = find_u32(json, "advmss", "bytes");
  route.priority = find_u32(json, "priority", "a route metric");
  route.table = find_u32(json, "table", "a routing table");
  if (const auto scope = json.find("scope")) route.scope = static_cast<int>(scope->integer(0, 255, "a route scope"));
  return route;
}

json::value Result::to_json(const Version& version) const {
  if (version < k030) return to_json_02(*this, version);
  json::object object{{"cniVersion", version.text()}};
  const auto put = [&](const char* key, const auto& items, const auto& convert) {
    if (items.empty()) return;
    json::array array;
    for (const auto& item : items) array.push_back(convert(item, version));
    object[key] = std::move(array);
  };
  put("interfaces", interfaces, interface_to_json);
  put("ips", ips, ip_to_json);
  put("routes", routes, route_to_json);
  // An empty dns is printed below 1.0.0 and left out from there on, as by the reference library.
  if (version < k100 || !dns.empty()) object["dns"] = dns_to_json(dns);
  return object;
}

Result Result::parse(const JsonView& json, const Version& fallback) {
  Version version = fallback;
  if (const auto own = json.find("cniVersion"); own && !(own->is_string() && own->string().empty())) {
    const auto parsed = Version::parse(own->string());
    if (!parsed || !is_supported(*parsed)) own->reject("a CNI version from 0.1.0 to 1.1.0");
    version = *parsed;
  }
  Result result;
  if (const auto dns = json.find("dns")) result.dns = Dns::parse(*dns);
  if (version < k030) {
    for (const char* family : {"ip4", "ip6"})
      if (const auto found = json.find(family)) parse_family_02(*found, result);
    return result;
  }
  if (const auto found = json.find("interfaces"))
    for (const JsonView& element : found->array()) result.interfaces.push_back(parse_interface(element));
  if (const auto found = json.find("ips"))
    for (const JsonView& element : found->array()) result.ips.push_back(parse_ip(element));
  if (const auto found = json.find("routes"))
    for (const JsonView& element : found->array()) result.routes.push_back(parse_route(element));
  return result;
}

}  // namespace barewire::cni
