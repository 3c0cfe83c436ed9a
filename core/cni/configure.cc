// SPDX-License-Identifier: Apache-2.0
// Addresses before routes: the kernel refuses a route whose gateway is on no subnet that it knows.
#include "core/cni/configure.h"

#include <fmt/ranges.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <thread>

#include "core/kernel/address.h"
#include "core/kernel/announce.h"
#include "core/kernel/attributes.h"
#include "core/kernel/new_link.h"
#include "core/kernel/sysctl.h"
#include "core/trace.h"

namespace barewire::cni {

namespace {

using kernel::AddressInfo;
using kernel::RouteInfo;

constexpr std::uint32_t kMainTable = 254;

/// The addresses of `result` that belong to interface `position`.
std::vector<IpConfig> addresses_of(const Result& result, int position) {
  std::vector<IpConfig> own;
  for (const IpConfig& ip : result.ips) {
    const int count = static_cast<int>(result.interfaces.size());
    if (ip.interface && (*ip.interface < 0 || *ip.interface >= count))
      throw Error(Error::Code::config,
                  fmt::format("giving an interface its address {} failed: its interface index {} is "
                              "not among the result's {} interfaces",
                              ip.address.text(), *ip.interface, count));
    if (ip.interface == position) own.push_back(ip);
  }
  return own;
}

/// A container runtime may have switched IPv6 off for new interfaces; an address asked for needs it, must outlive a
/// link that goes down and up, and be told of when its probe has ended. Source: ip-sysctl.rst (ndisc_notify).
void enable_ipv6(const kernel::NetNs& netns, kernel::NlSocket& socket, const kernel::Link& link) {
  // Asked anew: `link` may have been looked at in another netns, before it was moved here. Without IPv6 in this kernel
  // there is nothing to set, and adding the address says so.
  const auto now = kernel::find_link(socket, link.index);
  if (!now) return;
  std::vector<kernel::Sysctl> changes;
  const auto want = [&](const char* key, std::optional<std::int32_t> value, std::int32_t wanted) {
    if (value && *value != wanted)
      changes.push_back({fmt::format("net/ipv6/conf/{}/{}", now->name, key), wanted == 0 ? "0" : "1"});
  };
  want("disable_ipv6", now->conf.disable_ipv6, 0);
  want("keep_addr_on_down", now->conf.keep_addr_on_down, 1);
  want("ndisc_notify", now->conf.ndisc_notify, 1);
  kernel::write_sysctls(netns, changes);
}

/// The first gateway of each family: what routes without one of their own take.
std::optional<IpAddress> first_gateway(const std::vector<IpConfig>& ips, bool v4) {
  for (const IpConfig& ip : ips)
    if (ip.gateway && ip.gateway->is_v4() == v4 && ip.address.address.is_v4() == v4) return ip.gateway;
  return std::nullopt;
}

/// 0.0.0.0 is how DHCP's option 121 and the kernel write "on the link". Source: RFC 3442; net/ipv4/fib_frontend.c.
std::optional<IpAddress> unless_on_link(const std::optional<IpAddress>& gateway) {
  return gateway && gateway->is_unspecified() ? std::nullopt : gateway;
}

/// An optimistic address may be used while it is still being probed. Source: RFC 4429.
bool is_settled(const AddressInfo& address) {
  return (address.flags & IFA_F_TENTATIVE) == 0 || (address.flags & IFA_F_OPTIMISTIC) != 0;
}

using Predicate = std::function<bool(const AddressInfo&)>;

/// True when all that count are usable. Throws when another host has one.
bool are_settled(kernel::NlSocket& socket, const kernel::Link& link, const Predicate& counts) {
  for (const AddressInfo& address : kernel::list_addresses(socket, link.index, AF_INET6)) {
    if (!counts(address)) continue;
    if ((address.flags & IFA_F_DADFAILED) != 0)
      throw Error(
          Error::Code::ipam,
          fmt::format("giving {} the address {} failed: another host uses it", link.name, address.prefix.text()),
          "IPv6 duplicate address detection found it; look for a second node with the same address range");
    if (!is_settled(address)) return false;
  }
  return true;
}

/// A route through an IPv6 gateway needs a source address that may be used.
void wait_for_dad(kernel::NlSocket& socket, const kernel::Link& link, const Predicate& counts) {
  const trace::Span span("kernel wait", "duplicate addresses");
  const auto deadline = std::chrono::steady_clock::now() + kDadTimeout;
  while (!are_settled(socket, link, counts)) {
    if (std::chrono::steady_clock::now() >= deadline)
      throw Error(Error::Code::ipam,
                  fmt::format("link {} still has tentative addresses after {} seconds", link.name, kDadTimeout.count()),
                  "duplicate address detection needs a carrier; `ip link show` tells whether there is one");
    // Polled: a probe takes a second, to which ten milliseconds add little.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

/// A route of link scope is on the link itself, and so is one whose gateway says so.
std::optional<IpAddress> gateway_of(const Route& route, const std::vector<IpConfig>& ips) {
  if (!route.gateway && route.scope && *route.scope >= RT_SCOPE_LINK) return std::nullopt;
  return unless_on_link(route.gateway ? route.gateway : first_gateway(ips, route.destination.address.is_v4()));
}

RouteInfo route_info(const Route& route, const std::vector<IpConfig>& ips, int index) {
  RouteInfo info;
  info.destination = route.destination;
  info.gateway = gateway_of(route, ips);
  info.index = index;
  info.table = route.table.value_or(kMainTable);
  if (route.scope) info.scope = static_cast<std::uint8_t>(*route.scope);
  info.priority = route.priority;
  info.mtu = route.mtu;
  info.advmss = route.advmss;
  return info;
}

std::string describe(const RouteInfo& route) {
  std::string text = route.destination.text();
  if (route.gateway) text += " via " + route.gateway->text();
  if (route.table != kMainTable) text += fmt::format(" table {}", route.table);
  return text;
}

void add_route(kernel::NlSocket& socket, const kernel::Link& link, const RouteInfo& route) {
  try {
    kernel::add_route(socket, route, kernel::IfExists::beside);
  } catch (const kernel::KernelError& error) {
    throw kernel::KernelError(error.err(),
                              fmt::format("adding route {} to {} failed: {}", describe(route), link.name, error.what()),
                              error.hint());
  }
}

/// Requests that follow one another, sent together. One that is refused is made again by itself, in its turn: that says
/// in words what is wrong, or knows another way.
class Steps {
 public:
  Steps(kernel::NlSocket& socket, std::string doing) : socket_(socket), doing_(std::move(doing)) {}
  void add(kernel::NlMessage message, std::function<void()> by_itself) {
    messages_.push_back(std::move(message));
    by_itself_.push_back(std::move(by_itself));
  }
  void take() {
    const std::vector<int> verdicts = socket_.request_all(std::exchange(messages_, {}), doing_);
    const auto by_itself = std::exchange(by_itself_, {});
    for (std::size_t i = 0; i < verdicts.size(); ++i)
      if (verdicts[i] != 0) by_itself[i]();
  }

 private:
  kernel::NlSocket& socket_;
  std::string doing_;
  std::vector<kernel::NlMessage> messages_;
  std::vector<std::function<void()>> by_itself_;
};

/// Is `wanted` among `present`, whatever the table? What `wanted` leaves open matches anything.
bool has_route(const std::vector<RouteInfo>& present, const RouteInfo& wanted) {
  return std::any_of(present.begin(), present.end(), [&](const RouteInfo& route) {
    return route.destination.network() == wanted.destination.network() &&
           (!wanted.gateway || route.gateway == wanted.gateway) &&
           (!wanted.priority || route.priority == wanted.priority);
  });
}

/// The table of the VRF that `link` is a member of. Source: Documentation/networking/vrf.rst.
std::optional<std::uint32_t> vrf_table(kernel::NlSocket& socket, const kernel::Link& link) {
  std::optional<std::uint32_t> table;
  if (link.master != 0)
    kernel::read_link_data(socket, link.master, "vrf", [&](const kernel::NlAttributes& data) {
      table = data.value<std::uint32_t>(IFLA_VRF_TABLE);
    });
  return table;
}

/// Where the routes of `link` may be that say nothing of a table: the main one, its VRF's, and those that rules lead to
/// from its addresses.
std::vector<std::uint32_t> tables_of(kernel::NlSocket& socket, const kernel::Link& link,
                                     const std::vector<IpConfig>& ips, int family) {
  if (const auto table = vrf_table(socket, link)) return {*table, kMainTable};
  std::vector<std::uint32_t> tables;
  for (const kernel::RuleInfo& rule : kernel::list_rules(socket, family))
    for (const IpConfig& ip : ips)
      if (rule.source && rule.source->address == ip.address.address) tables.push_back(rule.table);
  tables.push_back(kMainTable);
  return tables;
}

/// nullopt when `wanted` is there; else the table where it belongs.
std::optional<std::uint32_t> find_lack(kernel::NlSocket& socket, const kernel::Link& link,
                                       const std::vector<IpConfig>& ips, const Route& route, const RouteInfo& wanted) {
  const int family = route.destination.address.family();
  if (has_route(kernel::list_routes(socket, 0, wanted.table, family), wanted)) return std::nullopt;
  // A route that names its table is looked for there and nowhere else.
  if (route.table) return wanted.table;
  const std::vector<std::uint32_t> tables = tables_of(socket, link, ips, family);
  for (const std::uint32_t table : tables)
    if (table != wanted.table && has_route(kernel::list_routes(socket, link.index, table, family), wanted))
      return std::nullopt;
  return tables.front();
}

bool has_address(const std::vector<AddressInfo>& present, const IpConfig& ip) {
  return std::any_of(present.begin(), present.end(),
                     [&](const AddressInfo& address) { return address.prefix == ip.address; });
}

}  // namespace

void assign_addresses_to(Result& result, int position) {
  for (IpConfig& ip : result.ips) ip.interface = position;
}

void configure_interface(const kernel::NetNs& netns, kernel::NlSocket& socket, const kernel::Link& link,
                         const Result& result, int position) {
  const std::vector<IpConfig> ips = addresses_of(result, position);
  const bool has_v6 =
      std::any_of(ips.begin(), ips.end(), [](const IpConfig& ip) { return ip.address.address.is_v6(); });
  if (has_v6) enable_ipv6(netns, socket, link);
  Steps steps(socket, "configuring " + link.name);
  for (const IpConfig& ip : ips)
    steps.add(kernel::address_message(link.index, ip.address),
              [&] { kernel::add_address(socket, link.index, ip.address); });
  // Up before routes, which the kernel takes only for a link that is up; and after the addresses, so that their probes
  // begin at once.
  steps.add(kernel::up_message(link.index), [&] { kernel::set_up(socket, link); });
  // Only where a gateway is used: the probe takes a second, and most pods need not wait for it.
  if (has_v6 && unless_on_link(first_gateway(ips, false))) {
    steps.take();
    wait_for_dad(socket, link, [](const AddressInfo&) { return true; });
  }
  for (const Route& route : result.routes) {
    const RouteInfo info = route_info(route, ips, link.index);
    steps.add(kernel::route_message(info), [&socket, &link, info] { add_route(socket, link, info); });
  }
  steps.take();
}

void wait_for_addresses(kernel::NlSocket& socket, const kernel::Link& link, const std::vector<IpPrefix>& addresses) {
  if (std::none_of(addresses.begin(), addresses.end(), [](const IpPrefix& each) { return each.address.is_v6(); }))
    return;
  wait_for_dad(socket, link, [&](const AddressInfo& address) {
    return std::find(addresses.begin(), addresses.end(), address.prefix) != addresses.end();
  });
}

void announce_addresses(const kernel::NetNs& netns, kernel::NlSocket& socket, const kernel::Link& link,
                        const Result& result, int position) {
  std::vector<IpAddress> addresses;
  for (const IpConfig& ip : addresses_of(result, position)) addresses.push_back(ip.address.address);
  if (link.mac && !addresses.empty()) kernel::announce(socket, netns, link.index, *link.mac, addresses);
}

void complete_interface(const kernel::NetNs& netns, kernel::NlSocket& socket, const kernel::Link& link,
                        const Result& result, int position) {
  const std::vector<IpConfig> ips = addresses_of(result, position);
  const std::vector<AddressInfo> present = kernel::list_addresses(socket, link.index);
  for (const IpConfig& ip : ips) {
    if (has_address(present, ip)) continue;
    if (ip.address.address.is_v6()) enable_ipv6(netns, socket, link);
    kernel::add_address(socket, link.index, ip.address);
  }
  if (!link.is_up()) kernel::set_up(socket, link);
  for (const Route& route : result.routes) {
    RouteInfo wanted = route_info(route, ips, link.index);
    const auto table = find_lack(socket, link, ips, route, wanted);
    if (!table) continue;
    wanted.table = *table;
    add_route(socket, link, wanted);
  }
}

std::vector<std::string> compare_interface(kernel::NlSocket& socket, const kernel::Link& link, const Result& expected,
                                           int position) {
  // A port of a bond has given its addresses to the bond.
  if (is_bonded(socket, link)) return {};
  std::vector<std::string> differences;
  const std::vector<IpConfig> ips = addresses_of(expected, position);
  const std::vector<AddressInfo> present = kernel::list_addresses(socket, link.index);
  for (const IpConfig& ip : ips)
    if (!has_address(present, ip)) differences.push_back(fmt::format("address {} is missing", ip.address.text()));
  for (const Route& route : expected.routes) {
    const RouteInfo wanted = route_info(route, ips, link.index);
    if (find_lack(socket, link, ips, route, wanted))
      differences.push_back(fmt::format("route {} is missing", describe(wanted)));
  }
  return differences;
}

bool is_bonded(kernel::NlSocket& socket, const kernel::Link& link) {
  const auto master = link.master == 0 ? std::nullopt : kernel::find_link(socket, link.master);
  return master && (master->kind == "bond" || master->kind == "team");
}

void check_interface(kernel::NlSocket& socket, const kernel::Link& link, const Result& expected, int position) {
  const std::vector<std::string> differences = compare_interface(socket, link, expected, position);
  if (!differences.empty())
    throw Error(Error::Code::drift, fmt::format("{}: {}", link.name, fmt::join(differences, "; ")));
}

int find_position(const Result& result, const std::string& name) {
  for (std::size_t i = 0; i < result.interfaces.size(); ++i)
    if (result.interfaces[i].name == name && !result.interfaces[i].sandbox.empty()) return static_cast<int>(i);
  throw Error(Error::Code::config,
              fmt::format("config key \"prevResult.interfaces\" has no interface {} with a sandbox", name),
              "CHECK gets the result of ADD as prevResult");
}

}  // namespace barewire::cni
