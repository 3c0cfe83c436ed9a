// SPDX-License-Identifier: Apache-2.0
// What a server leaves out has a default by RFC 2131; what it sends wrongly is left out, as clients have always done.
#include "ipam/dhcp/terms.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace barewire::ipam::dhcp {

namespace json = boost::json;

namespace {

using View = std::span<const std::uint8_t>;
using std::chrono::seconds;

constexpr std::uint32_t kForever = 0xffffffff;
constexpr seconds kDefaultLease{3600};  ///< the reference plugin's, for servers that tell none
constexpr seconds kShortest{2};         ///< a server that grants less would be asked without pause
constexpr std::size_t kAddressSize = 4;

IpAddress address_at(View bytes, std::size_t at) {
  return IpAddress::from_bytes(&bytes[at], kAddressSize);
}

std::uint8_t mask_length(const Message& ack) {
  const auto mask = ack.number(kSubnetMask);
  if (!mask)
    throw Error(Error::Code::ipam, "reading the DHCP server's answer failed: it has no subnet mask (option 1)",
                "configure the server to send it, and \"request\" to ask for it");
  const int length = std::countl_one(*mask);
  if (std::popcount(*mask) != length)
    throw Error(Error::Code::ipam,
                fmt::format("reading the DHCP server's answer failed: its subnet mask is {:08x}", *mask));
  return static_cast<std::uint8_t>(length);
}

cni::Route route_through(const IpPrefix& destination, const IpAddress& router) {
  return {
      .destination = destination, .gateway = router, .mtu = {}, .advmss = {}, .priority = {}, .table = {}, .scope = {}};
}

/// Router 0.0.0.0 means that the destination is on the link itself; results say it the same way, in every version.
/// Source: RFC 3442, "DHCP Client Administrator Responsibilities".
std::vector<cni::Route> parse_classless_routes(View bytes) {
  std::vector<cni::Route> routes;
  while (!bytes.empty()) {
    const std::uint8_t length = bytes[0];
    const std::size_t significant = (length + std::size_t{7}) / 8;
    if (length > 32 || bytes.size() < 1 + significant + kAddressSize) return routes;
    std::array<std::uint8_t, 4> network{};
    std::copy_n(bytes.begin() + 1, significant, network.begin());
    routes.push_back(route_through({IpAddress::v4(network), length}, address_at(bytes, 1 + significant)));
    bytes = bytes.subspan(1 + significant + kAddressSize);
  }
  return routes;
}

/// The length that the first byte of an address stood for before there was CIDR. Source: RFC 791 §3.2.
std::uint8_t classful_length(const IpAddress& address) {
  const int ones = std::countl_one(*address.data());
  return static_cast<std::uint8_t>(ones == 0 ? 8 : ones == 1 ? 16 : 24);
}

std::vector<cni::Route> routes_of(const Message& ack) {
  if (const Bytes* classless = ack.find(kClasslessRoutes)) {
    auto routes = parse_classless_routes(*classless);
    if (!routes.empty()) return routes;  // RFC 3442: the router and the old static routes are then not looked at
  }
  std::vector<cni::Route> routes;
  if (const Bytes* pairs = ack.find(kStaticRoutes))
    for (std::size_t at = 0; at + 2 * kAddressSize <= pairs->size(); at += 2 * kAddressSize) {
      const IpAddress destination = address_at(*pairs, at);
      routes.push_back(route_through(IpPrefix{destination, classful_length(destination)}.network(),
                                     address_at(*pairs, at + kAddressSize)));
    }
  if (const auto router = ack.address(kRouters)) routes.push_back(route_through({IpAddress(), 0}, *router));
  return routes;
}

std::string text_of(const Bytes* value) {
  if (value == nullptr) return {};
  std::string text(value->begin(), std::find(value->begin(), value->end(), 0));
  // It goes into a JSON result, and from there to resolv.conf.
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return plain ? text : std::string();
}

/// Names with pointers into the option itself. Source: RFC 1035 §4.1.4, RFC 3397 §2.
std::vector<std::string> parse_search_list(View bytes) {
  std::vector<std::string> names;
  for (std::size_t start = 0; start < bytes.size();) {
    std::string name;
    std::size_t at = start, resume = 0, limit = start;  // a pointer leads before everything read so far, so it ends
    while (at < bytes.size() && bytes[at] != 0) {
      const std::size_t size = bytes[at];
      if ((size & 0xc0) == 0xc0) {
        if (at + 1 >= bytes.size()) return names;
        const std::size_t target = (size & 0x3f) << 8 | bytes[at + 1];
        if (resume == 0) resume = at + 2;
        if (target >= limit) return names;
        limit = at = target;
        continue;
      }
      if (size > 63 || at + 1 + size > bytes.size()) return names;
      if (!name.empty()) name += '.';
      name.append(bytes.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + 1 + size));
      at += 1 + size;
    }
    if (at >= bytes.size()) return names;
    const Bytes raw(name.begin(), name.end());
    if (const std::string plain = text_of(&raw); !plain.empty()) names.push_back(plain);
    start = resume != 0 ? resume : at + 1;
  }
  return names;
}

cni::Dns dns_of(const Message& ack) {
  cni::Dns dns;
  if (const Bytes* servers = ack.find(kNameServers))
    for (std::size_t at = 0; at + kAddressSize <= servers->size(); at += kAddressSize)
      dns.nameservers.push_back(address_at(*servers, at).text());
  dns.domain = text_of(ack.find(kDomainName));
  if (const Bytes* search = ack.find(kDomainSearch)) dns.search = parse_search_list(*search);
  return dns;
}

/// Source: RFC 2131 §4.4.5: half of the lease and seven eighths of it; the reference plugin takes 85 %, and so do we.
void read_times(const Message& ack, Terms& terms) {
  const auto told = ack.number(kLeaseTime);
  // A lease without end is never renewed, and has no times.
  if (told == kForever) return;
  const seconds lease = std::max(told ? seconds(*told) : kDefaultLease, kShortest);
  terms.lease = lease;
  terms.rebinding = seconds(ack.number(kRebindingTime).value_or(kForever));
  if (terms.rebinding >= lease) terms.rebinding = lease * 85 / 100;
  terms.renewal = seconds(ack.number(kRenewalTime).value_or(kForever));
  if (terms.renewal > terms.rebinding) terms.renewal = std::min(lease / 2, terms.rebinding);
  terms.renewal = std::max(terms.renewal, seconds(1));
  terms.rebinding = std::max(terms.rebinding, terms.renewal);
}

IpAddress require_v4(const JsonView& key) {
  const auto address = IpAddress::parse(key.string());
  if (!address || !address->is_v4()) key.reject("an IPv4 address");
  return *address;
}

}  // namespace

Terms Terms::from_ack(const Message& ack) {
  // No host can have such an address, whatever a server says.
  if (ack.yours.is_unspecified() || ack.yours.is_multicast() || ack.yours.is_loopback())
    throw Error(Error::Code::ipam,
                fmt::format("reading the DHCP server's answer failed: it grants {}", ack.yours.text()));
  Terms terms;
  terms.address = {ack.yours, mask_length(ack)};
  const auto server = ack.address(kServerIdentifier);
  if (!server)
    throw Error(Error::Code::ipam, "reading the DHCP server's answer failed: it has no server identifier (option 54)");
  terms.server = *server;
  terms.gateway = ack.address(kRouters);
  terms.routes = routes_of(ack);
  terms.dns = dns_of(ack);
  read_times(ack, terms);
  return terms;
}

cni::Result Terms::result(const Config& config) const {
  cni::Result result{.interfaces = {}, .ips = {}, .routes = {}, .dns = dns};
  result.ips.push_back({.address = address, .gateway = config.with_gateway ? gateway : std::nullopt, .interface = {}});
  for (cni::Route route : routes) {
    if (!config.with_gateway && route.destination.is_default()) continue;
    route.priority = config.priority;
    result.routes.push_back(route);
  }
  return result;
}

json::object Terms::to_json() const {
  cni::Result result{.interfaces = {}, .ips = {}, .routes = routes, .dns = dns};
  result.ips.push_back({.address = address, .gateway = gateway, .interface = {}});
  json::object object{{"result", result.to_json(cni::kLatestVersion)},
                      {"server", server.text()},
                      {"renewalSeconds", renewal.count()},
                      {"rebindingSeconds", rebinding.count()}};
  if (lease) object["leaseSeconds"] = lease->count();
  return object;
}

Terms Terms::from_json(const JsonView& json) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const JsonView key = json.at("result");
  const cni::Result result = cni::Result::parse(key, cni::kLatestVersion);
  if (result.ips.size() != 1) key.reject("a result with one address");
  Terms terms{
      .address = result.ips[0].address, .gateway = result.ips[0].gateway, .routes = result.routes, .dns = result.dns};
  terms.server = require_v4(json.at("server"));
  terms.renewal = seconds(json.at("renewalSeconds").integer(0, kMost, "seconds"));
  terms.rebinding = seconds(json.at("rebindingSeconds").integer(0, kMost, "seconds"));
  if (const auto lease = json.find("leaseSeconds")) terms.lease = seconds(lease->integer(1, kMost, "seconds"));
  return terms;
}

}  // namespace barewire::ipam::dhcp
