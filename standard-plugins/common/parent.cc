// SPDX-License-Identifier: Apache-2.0
// The master may be in the pod or on the node; its MTU bounds that of what stands on it in either case.
#include "standard-plugins/common/parent.h"

#include <algorithm>

#include "core/kernel/address.h"
#include "standard-plugins/common/pod_link.h"

namespace barewire::standard {

namespace {

constexpr std::int64_t kLargestMtu = 65535;
constexpr std::string_view kMtuMeaning = "an MTU in bytes, at most that of the master, 0 for the master's";

std::string name_of_default_route(kernel::NlSocket& socket) {
  const auto routes = kernel::list_routes(socket, 0);
  const auto found = std::find_if(routes.begin(), routes.end(), [](const kernel::RouteInfo& route) {
    return route.destination.is_default() && route.index != 0;
  });
  if (found == routes.end())
    throw Error(Error::Code::config,
                "config key \"master\" is missing, and there is no default route whose interface to take",
                "name the interface in \"master\"");
  const auto link = kernel::find_link(socket, found->index);
  if (!link) throw Error(Error::Code::device, "the interface of the default route has just gone");
  return link->name;
}

Parent find_in(kernel::NlSocket& socket, const std::string& name, bool in_container) {
  const std::string wanted = name.empty() ? name_of_default_route(socket) : name;
  const auto link = kernel::find_link(socket, wanted);
  if (!link)
    throw Error(Error::Code::config,
                fmt::format("config key \"master\" is \"{}\"; expected the name of an interface of the {}", wanted,
                            in_container ? "pod" : "node"));
  return {*link, in_container};
}

/// The kernel puts a link that is to stand on one of its own sort beside that, onto the interface below. Source:
/// drivers/net/macvlan.c macvlan_common_newlink, drivers/net/ipvlan/ipvlan_main.c ipvlan_link_new.
bool is_put_beside(const kernel::Link& parent, const kernel::Link& link) {
  for (const char* sort : {"macv", "ipv"})  // macvlan, macvtap, ipvlan, ipvtap
    if (parent.kind.starts_with(sort) && link.kind.starts_with(sort)) return parent.parent != 0;
  return false;
}

}  // namespace

bool is_parent_in_container(const cni::Request& request) {
  return request.conf.root().boolean_or("linkInContainer", false);
}

Parent find_parent(const cni::Request& request, kernel::NlSocket& inside, const std::string& name) {
  if (is_parent_in_container(request)) return find_in(inside, name, true);
  kernel::NlSocket host;
  return find_in(host, name, false);
}

void require_valid_mtu(const cni::Request& request) {
  // Read before the master is looked for, so that a value of the wrong type is named first.
  if (const auto mtu = request.conf.root().find("mtu")) mtu->integer(0, kLargestMtu, kMtuMeaning);
}

std::optional<std::uint32_t> parse_mtu(const cni::Request& request, const kernel::Link& parent) {
  const auto mtu = request.conf.root().integer_or("mtu", 0, parent.mtu, kMtuMeaning, 0);
  if (mtu == 0) return std::nullopt;
  return static_cast<std::uint32_t>(mtu);
}

kernel::NewLink link_on(const Parent& parent, const cni::Request& request, kernel::NlSocket& inside) {
  kernel::NewLink link;
  link.name = request.ifname;
  link.parent = parent.link.index;
  // The parent stays on the node; the kernel finds it by the number the pod's netns has for the node's.
  if (!parent.in_container) {
    link.parent_netns = kernel::peer_netns_id(inside, kernel::NetNs::current());
    link.transit_name = transit_name(state::attachment_id(request, {}));
  }
  link.mtu = parse_mtu(request, parent.link);
  return link;
}

std::vector<std::string> compare_parent(const Parent& parent, const kernel::Link& link) {
  if (link.parent == parent.link.index) return {};
  if (is_put_beside(parent.link, link) && link.parent == parent.link.parent) return {};
  return {fmt::format("it does not stand on {}", parent.link.name)};
}

}  // namespace barewire::standard
