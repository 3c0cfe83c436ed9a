// SPDX-License-Identifier: Apache-2.0
/// Addresses, routes, rules and neighbours of one netns, through a NlSocket opened in it. Everything here throws
/// KernelError that names the object, and takes an ifindex, not a name: a pod may rename. Source: rtnetlink(7),
/// ip-address(8), ip-route(8), ip-rule(8).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/ip.h"
#include "core/kernel/netlink.h"

namespace barewire::kernel {

struct AddressInfo {
  int index = 0;  ///< ifindex
  IpPrefix prefix{};
  std::uint32_t flags = 0;  ///< IFA_F_*
  std::uint8_t scope = 0;   ///< RT_SCOPE_*
};
/// Empty when there is no such link. `family` is AF_INET or AF_INET6, 0 for both. The kernel filters by link (strict
/// checking, Linux 4.20); older ones answer with all, and the rest is left out here.
std::vector<AddressInfo> list_addresses(NlSocket& socket, int index /* 0 = all links */, int family = 0);
/// `flags` are IFA_F_*, e.g. IFA_F_NODAD, IFA_F_OPTIMISTIC; without `scope` it follows from the address. An IPv4
/// address gets its broadcast address, but on /31 and /32. EEXIST is an error (KernelError).
void add_address(NlSocket& socket, int index, const IpPrefix& prefix, std::uint32_t flags = 0,
                 std::optional<std::uint8_t> scope = std::nullopt);
/// What add_address sends, for NlSocket::request_all.
NlMessage address_message(int index, const IpPrefix& prefix, std::uint32_t flags = 0,
                          std::optional<std::uint8_t> scope = std::nullopt);
/// False when it was not there.
bool remove_address(NlSocket& socket, int index, const IpPrefix& prefix);

/// A unicast route. Absent values are left to the kernel.
struct RouteInfo {
  IpPrefix destination{};  ///< length 0 = default
  std::optional<IpAddress> gateway{};
  int index = 0;                        ///< output ifindex, 0 = by gateway
  std::optional<IpAddress> source{};    ///< preferred source
  std::uint32_t table = 254;            ///< RT_TABLE_MAIN
  std::optional<std::uint8_t> scope{};  ///< RT_SCOPE_*; absent: link without gateway (IPv4), else universe
  std::optional<std::uint32_t> priority{};
  std::optional<std::uint32_t> mtu{};
  std::optional<std::uint32_t> advmss{};
  std::uint8_t protocol = 3;  ///< RTPROT_BOOT, as `ip route add`
  bool onlink = false;
};
/// What becomes of a route to the same destination with the same metric. The kernel asks for no device there, so a
/// route that replaces may be another interface's: none here does. Source: fib_table_insert in net/ipv4/fib_trie.c,
/// fib6_add_rt2node in net/ipv6/ip6_fib.c.
enum class IfExists {
  fail,     ///< it stays, and adding is an error (KernelError EEXIST)
  beside,   ///< it stays and goes first: a route without a metric of its own gets the first that is free after it
  restore,  ///< the new one had its place beside it before: same metric, after it
};
/// Adds one unicast route. With `beside` and `restore`, a route that is there already is no error. Throws KernelError,
/// also for a gateway that the link does not reach, unless `onlink`.
void add_route(NlSocket& socket, const RouteInfo& route, IfExists if_exists = IfExists::fail);
/// What add_route sends first, for NlSocket::request_all; EEXIST may be no error to it.
NlMessage route_message(const RouteInfo& route);
/// Removes the route that has all that `route` says. False when it was not there.
bool remove_route(NlSocket& socket, const RouteInfo& route);
/// Unicast routes of `table` (0 = all tables), of `family` (0 = both), leaving by `index` (0 = any). None when there is
/// no such table.
std::vector<RouteInfo> list_routes(NlSocket& socket, int index, std::uint32_t table = 254, int family = 0);

/// Routing policy rules. Source: ip-rule(8), include/uapi/linux/fib_rules.h.
struct RuleInfo {
  int family = 0;
  std::optional<IpPrefix> source{};
  std::uint32_t table = 254;
  std::optional<std::uint32_t> priority{};
};
/// Rules of one family each. add_rule throws KernelError EEXIST when it is there; remove_rule answers false when it was
/// not.
void add_rule(NlSocket& socket, const RuleInfo& rule);
bool remove_rule(NlSocket& socket, const RuleInfo& rule);
std::vector<RuleInfo> list_rules(NlSocket& socket, int family);

/// A permanent neighbour entry (ip neigh replace … nud permanent).
void set_neighbour(NlSocket& socket, int index, const IpAddress& address, const MacAddress& mac);

}  // namespace barewire::kernel
