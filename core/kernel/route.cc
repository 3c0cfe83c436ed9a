// SPDX-License-Identifier: Apache-2.0
// Routes are added in three ways (IfExists), because the kernel knows a route by destination, metric and table alone,
// and two interfaces of one pod may lead to the same destination.
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>

#include "core/kernel/address.h"
#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

/// RTA_VIA: a gateway of another family than the destination. Source: uapi/linux/rtnetlink.h struct rtvia.
std::string via_bytes(const IpAddress& gateway) {
  const auto family = static_cast<std::uint16_t>(gateway.family());
  std::string bytes(reinterpret_cast<const char*>(&family), sizeof family);
  bytes.append(reinterpret_cast<const char*>(gateway.data()), gateway.size());
  return bytes;
}

std::uint8_t default_scope(const RouteInfo& route) {
  // As ip-route(8) chooses it. IPv6 has no scopes of routes, and the kernel ignores the field there.
  return route.destination.address.is_v4() && !route.gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

rtmsg route_header(const RouteInfo& route) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(route.destination.address.family());
  header.rtm_dst_len = route.destination.length;
  header.rtm_table = route.table < 256 ? static_cast<std::uint8_t>(route.table) : std::uint8_t{RT_TABLE_UNSPEC};
  return header;
}

void put_gateway(NlMessage& message, const RouteInfo& route) {
  if (!route.gateway) return;
  if (route.gateway->family() == route.destination.address.family()) {
    message.put(RTA_GATEWAY, route.gateway->data(), route.gateway->size());
  } else {
    const std::string via = via_bytes(*route.gateway);
    message.put(RTA_VIA, via.data(), via.size());
  }
}

/// The destination's host bits go, since the kernel refuses an IPv4 route that has any.
/// What tells one route from another, and so what both adding and removing send.
void put_identity(NlMessage& message, const RouteInfo& route) {
  const IpPrefix network = route.destination.network();
  message.put_u32(RTA_TABLE, route.table);
  if (!network.is_default()) message.put(RTA_DST, network.address.data(), network.address.size());
  put_gateway(message, route);
  if (route.index != 0) message.put_u32(RTA_OIF, static_cast<std::uint32_t>(route.index));
  if (route.source) message.put(RTA_PREFSRC, route.source->data(), route.source->size());
  if (route.priority) message.put_u32(RTA_PRIORITY, *route.priority);
}

void put_metrics(NlMessage& message, const RouteInfo& route) {
  if (!route.mtu && !route.advmss) return;
  message.nest(RTA_METRICS, [&](NlMessage& metrics) {
    if (route.mtu) metrics.put_u32(RTAX_MTU, *route.mtu);
    if (route.advmss) metrics.put_u32(RTAX_ADVMSS, *route.advmss);
  });
}

std::string describe(const RouteInfo& route) {
  std::string text = fmt::format("route {}", route.destination.text());
  if (route.gateway) text += fmt::format(" via {}", route.gateway->text());
  if (route.index != 0) text += fmt::format(" out of interface number {}", route.index);
  if (route.table != RT_TABLE_MAIN) text += fmt::format(" in table {}", route.table);
  return text;
}

std::optional<IpAddress> address_of(std::string_view bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  return IpAddress::from_bytes(bytes.data(), bytes.size());
}

std::optional<IpAddress> gateway_of(const NlAttributes& attributes) {
  if (attributes.has(RTA_GATEWAY)) return address_of(attributes.bytes(RTA_GATEWAY));
  const std::string_view via = attributes.bytes(RTA_VIA);
  return via.size() > sizeof(std::uint16_t) ? address_of(via.substr(sizeof(std::uint16_t))) : std::nullopt;
}

IpPrefix destination_of(const NlAttributes& attributes, const rtmsg& header) {
  const std::array<std::uint8_t, 16> zero{};
  const auto address = address_of(attributes.bytes(RTA_DST));
  return {address.value_or(IpAddress::from_bytes(zero.data(), header.rtm_family == AF_INET ? 4 : 16)),
          header.rtm_dst_len};
}

RouteInfo parse_common(const rtmsg& header, const NlAttributes& attributes) {
  RouteInfo route;
  route.destination = destination_of(attributes, header);
  route.gateway = gateway_of(attributes);
  route.index = attributes.value_or<int>(RTA_OIF, 0);
  route.source = address_of(attributes.bytes(RTA_PREFSRC));
  route.table = attributes.value_or<std::uint32_t>(RTA_TABLE, header.rtm_table);
  route.scope = header.rtm_scope;
  route.priority = attributes.value<std::uint32_t>(RTA_PRIORITY);
  route.mtu = attributes.nest(RTA_METRICS).value<std::uint32_t>(RTAX_MTU);
  route.advmss = attributes.nest(RTA_METRICS).value<std::uint32_t>(RTAX_ADVMSS);
  route.protocol = header.rtm_protocol;
  route.onlink = (header.rtm_flags & RTNH_F_ONLINK) != 0;
  return route;
}

/// The next hops of a multipath route, each as a route of its own.
void append_next_hops(std::vector<RouteInfo>& routes, const RouteInfo& common, std::string_view bytes) {
  rtnexthop hop{};
  while (bytes.size() >= sizeof hop) {
    std::memcpy(&hop, bytes.data(), sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > bytes.size()) return;
    RouteInfo route = common;
    route.index = hop.rtnh_ifindex;
    route.onlink = (hop.rtnh_flags & RTNH_F_ONLINK) != 0;
    route.gateway = gateway_of(NlAttributes(bytes.data() + sizeof hop, hop.rtnh_len - sizeof hop));
    routes.push_back(route);
    bytes.remove_prefix(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), bytes.size()));
  }
}

std::vector<RouteInfo> parse_routes(const nlmsghdr& message) {
  std::vector<RouteInfo> routes;
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(rtmsg)) return routes;
  rtmsg header{};
  std::memcpy(&header, nlmsg_data(&message), sizeof header);
  // Local and broadcast routes come and go with addresses and are nobody's to restore.
  if (header.rtm_type != RTN_UNICAST) return routes;
  const NlAttributes attributes(message, sizeof header);
  const RouteInfo common = parse_common(header, attributes);
  if (attributes.has(RTA_MULTIPATH))
    append_next_hops(routes, common, attributes.bytes(RTA_MULTIPATH));
  else
    routes.push_back(common);
  return routes;
}

void append_routes(std::vector<RouteInfo>& routes, NlSocket& socket, int index, std::uint32_t table, int family) {
  rtmsg header{};
  header.rtm_family = static_cast<std::uint8_t>(family);
  NlMessage message(RTM_GETROUTE, 0);
  message.header(header);
  // The kernel filters by these under strict checking, and finds no such table to be an error.
  if (table != 0) message.put_u32(RTA_TABLE, table);
  if (index != 0) message.put_u32(RTA_OIF, static_cast<std::uint32_t>(index));
  auto keep = [&](const nlmsghdr& answer) {
    for (RouteInfo& route : parse_routes(answer))
      if ((index == 0 || route.index == index) && (table == 0 || route.table == table)) routes.push_back(route);
  };
  socket.dump(std::move(message), "listing routes", keep, {ENOENT, ENODEV});
}

NlMessage message_of(const RouteInfo& route, int flag) {
  rtmsg header = route_header(route);
  header.rtm_type = RTN_UNICAST;
  header.rtm_protocol = route.protocol;
  header.rtm_scope = route.scope.value_or(default_scope(route));
  if (route.onlink) header.rtm_flags |= RTNH_F_ONLINK;
  NlMessage message(RTM_NEWROUTE, NLM_F_CREATE | flag);
  message.header(header);
  put_identity(message, route);
  put_metrics(message, route);
  return message;
}

void send_route(NlSocket& socket, const RouteInfo& route, int flag) {
  socket.request(message_of(route, flag), "adding " + describe(route));
}

/// False when there is one with the same destination and metric; with NLM_F_APPEND, only when it is the very same.
bool try_send_route(NlSocket& socket, const RouteInfo& route, int flag) {
  try {
    send_route(socket, route, flag);
    return true;
  } catch (const KernelError& error) {
    if (error.err() != EEXIST) throw;
    return false;
  }
}

/// Those to the same destination in the same table.
std::vector<RouteInfo> rivals_of(NlSocket& socket, const RouteInfo& route) {
  const IpPrefix destination = route.destination.network();
  std::vector<RouteInfo> rivals = list_routes(socket, 0, route.table, destination.address.family());
  std::erase_if(rivals, [&](const RouteInfo& other) { return other.destination.network() != destination; });
  return rivals;
}

bool is_among(const std::vector<RouteInfo>& rivals, const RouteInfo& route) {
  return std::any_of(rivals.begin(), rivals.end(), [&](const RouteInfo& other) {
    return other.gateway == route.gateway && (route.index == 0 || other.index == route.index) &&
           (!route.priority || other.priority == route.priority);
  });
}

/// The kernel gives an IPv4 route without a metric 0, an IPv6 route this. Source: uapi/linux/ipv6_route.h.
constexpr std::uint32_t kDefaultMetricV6 = 1024;

void add_beside(NlSocket& socket, RouteInfo route) {
  constexpr int kTries = 256;  // more interfaces with a route to the same destination has no pod
  if (try_send_route(socket, route, NLM_F_EXCL)) return;
  if (is_among(rivals_of(socket, route), route)) return;
  const std::uint32_t first = route.destination.address.is_v4() ? 0 : kDefaultMetricV6;
  // A metric that the configuration names is kept; only one that nobody chose is counted up.
  if (route.priority.value_or(first) != first) {
    try_send_route(socket, route, NLM_F_APPEND);
    return;
  }
  for (std::uint32_t next = first + 1; next < first + kTries; ++next) {
    route.priority = next;
    if (try_send_route(socket, route, NLM_F_EXCL)) return;
  }
  send_route(socket, route, NLM_F_EXCL);
}

}  // namespace

NlMessage route_message(const RouteInfo& route) {
  return message_of(route, NLM_F_EXCL);
}

void add_route(NlSocket& socket, const RouteInfo& route, IfExists if_exists) {
  if (if_exists == IfExists::beside) return add_beside(socket, route);
  if (if_exists == IfExists::fail) return send_route(socket, route, NLM_F_EXCL);
  try_send_route(socket, route, NLM_F_APPEND);
}

bool remove_route(NlSocket& socket, const RouteInfo& route) {
  rtmsg header = route_header(route);
  // ESRCH: no such route, or table. ENODEV: the interface has gone, and has taken its routes along.
  header.rtm_scope = route.scope.value_or(RT_SCOPE_NOWHERE);  // any
  NlMessage message(RTM_DELROUTE, 0);
  message.header(header);
  put_identity(message, route);
  return socket.request_unless(std::move(message), "removing " + describe(route), {ESRCH, ENOENT, ENODEV});
}

std::vector<RouteInfo> list_routes(NlSocket& socket, int index, std::uint32_t table, int family) {
  std::vector<RouteInfo> routes;
  for (const int each : {AF_INET, AF_INET6})
    if (family == 0 || family == each) append_routes(routes, socket, index, table, each);
  return routes;
}

}  // namespace barewire::kernel
