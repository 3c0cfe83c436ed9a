// SPDX-License-Identifier: Apache-2.0
// A netdev that comes home may find its name taken, a new ifindex, and a driver that lost its settings on the way.
#include "core/vf/move.h"

#include <algorithm>
#include <thread>

#include "core/kernel/upper_links.h"
#include "core/log.h"
#include "core/trace.h"

namespace barewire::vf {

namespace {

using kernel::Link;
using kernel::NlSocket;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Before Linux 5.14 a link does not tell its parent device: then the address burnt in decides.
bool is_child(const Link& link, const Identity& identity) {
  // A switch's representors and a card's ports share one parent.
  if (!identity.phys_port_name.empty() && !link.phys_port_name.empty() &&
      link.phys_port_name != identity.phys_port_name)
    return false;
  if (!link.parent_device.empty()) return link.parent_device == identity.parent_device;
  return identity.perm_mac && link.perm_mac == identity.perm_mac && link.kind.empty();
}

bool is_in_pod(const Link& link, const Identity& identity) {
  if (!identity.parent_device.empty()) return is_child(link, identity);
  if (link.kind != identity.kind) return false;
  // A pod may rename its interface; the index stays as long as it is in that netns.
  if (identity.pod_index != 0) return link.index == identity.pod_index;
  return link.name == identity.pod_name && link.mac == identity.mac;
}

/// A virtual netdev is known by its name here; one that was made anew under that name has neither its index nor its
/// MAC.
bool is_on_host(const Link& link, const Identity& identity) {
  if (!identity.parent_device.empty()) return is_child(link, identity);
  if (link.name != identity.host_name || link.kind != identity.kind) return false;
  return link.mac == identity.mac || (identity.pod_index != 0 && link.index == identity.pod_index);
}

template <typename Matches>
std::optional<Link> find_link_where(NlSocket& socket, const Matches& matches) {
  for (Link& link : kernel::list_links(socket))
    if (matches(link)) return std::move(link);
  return std::nullopt;
}

std::optional<Link> find_on_host(Host& host, const Identity& identity) {
  return find_link_where(host.socket, [&](const Link& link) { return is_on_host(link, identity); });
}

std::optional<Located> find_at_home(Host& host, const Identity& identity) {
  auto link = find_on_host(host, identity);
  if (!link) return std::nullopt;
  return Located{kernel::NetNs::current(), NlSocket(), std::move(*link), true};
}

std::optional<Located> find_in(kernel::NetNs netns, const Identity& identity) {
  NlSocket socket = NlSocket::in(netns);
  auto link = find_link_where(socket, [&](const Link& each) { return is_in_pod(each, identity); });
  if (!link) return std::nullopt;
  return Located{std::move(netns), std::move(socket), std::move(*link), false};
}

std::optional<Located> find_in_pod(Host& host, const Identity& identity, const PodNetns& pod) {
  auto netns = find_netns(pod);
  // A path that leads to the host's own netns is no pod's, whatever the record says.
  if (!netns || netns->id() == host.netns.id()) return std::nullopt;
  return find_in(std::move(*netns), identity);
}

std::optional<Located> find_anywhere(Host& host, const Identity& identity) {
  for (kernel::NetNs& netns : list_netns()) {
    if (netns.id() == host.netns.id()) continue;
    if (auto located = find_in(std::move(netns), identity)) return located;
  }
  return std::nullopt;
}

void remove_alt_names(NlSocket& socket, Link& link, const std::vector<std::string>& doomed) {
  for (const std::string& name : doomed) {
    kernel::remove_alt_name(socket, link, name);
    std::erase(link.alt_names, name);
  }
}

/// The alternative names of `link` that would not be accepted in another netns, under `new_name`.
std::vector<std::string> names_in_the_way(const Link& link, const std::string& new_name, NlSocket& target) {
  std::vector<std::string> names;
  for (const std::string& name : link.alt_names)
    if (name == new_name || kernel::find_link(target, name)) names.push_back(name);
  return names;
}

/// Is this netdev at home under its name? Then it never left, or has come home already: it may be in use there.
bool is_home(const Located& located, const NetdevState& original) {
  return located.on_host && located.link.name == original.name;
}

/// A recycled netdev must not carry over what a pod switched on. It has to be down to be renamed.
void sanitise_and_close(Located& located, const NetdevState& original) {
  const Link& link = located.link;
  kernel::LinkChange change;
  if (link.is_promiscuous()) change.promisc = false;
  if (link.is_allmulti()) change.allmulti = false;
  if (link.is_up() && !is_home(located, original)) change.up = false;
  if (change.promisc || change.allmulti || change.up)
    kernel::change_link(located.socket, link.index, change, fmt::format("resetting the flags of {}", link.name));
}

/// Must this alternative name go before the netdev is itself again? Where nobody recorded its names, those it brought
/// from the pod cannot be told from its own, but for the name it had there.
bool is_foreign(const std::string& name, const Link& link, const NetdevState& original) {
  if (name == original.name) return true;
  return original.alt_names ? !contains(*original.alt_names, name) : name == link.name;
}

void remove_foreign_alt_names(Host& host, Located& located, const NetdevState& original) {
  std::vector<std::string> doomed;
  if (!located.on_host) doomed = names_in_the_way(located.link, original.name, host.socket);
  for (const std::string& name : located.link.alt_names)
    if (is_foreign(name, located.link, original) && !contains(doomed, name)) doomed.push_back(name);
  remove_alt_names(located.socket, located.link, doomed);
}

void bring_under(Host& host, Located& located, const std::string& name) {
  if (!located.on_host) return kernel::move_link(located.socket, located.link, host.netns, name);
  if (located.link.name != name) kernel::rename_link(located.socket, located.link, name);
}

/// A name nobody has, as the kernel chooses them when it has to. Source: net/core/dev.c default_device_exit_net.
std::string free_name(NlSocket& socket) {
  for (int i = 0;; ++i)
    if (std::string name = fmt::format("dev{}", i); !kernel::find_link(socket, name)) return name;
}

/// The name of a netdev that is to come home: its own, unless another interface has that now.
std::string name_at_home(Host& host, const Located& located, const NetdevState& original) {
  const auto there = kernel::find_link(host.socket, original.name);
  const bool is_itself = there && located.on_host && there->index == located.link.index;
  if (!there || is_itself) return original.name;
  const std::string name =
      located.on_host && located.link.name.starts_with("dev") ? located.link.name : free_name(host.socket);
  log_warning("another interface on the host is called {} now; its former bearer comes back as {}", original.name,
              name);
  return name;
}

/// In their order, which is that of `ip link`. One that somebody else has by now is left to them.
void restore_alt_names(Host& host, const Link& link, const NetdevState& original) {
  if (!original.alt_names || link.alt_names == *original.alt_names) return;
  for (const std::string& name : link.alt_names) kernel::remove_alt_name(host.socket, link, name);
  for (const std::string& name : *original.alt_names)
    if (!kernel::find_link(host.socket, name)) kernel::add_alt_name(host.socket, link, name);
}

Link settle_at_home(Host& host, const Link& link, const NetdevState& original) {
  kernel::LinkChange change;
  // 0 is a record that does not tell, as sriov-cni's may be.
  if (link.mtu != original.mtu && original.mtu != 0) change.mtu = original.mtu;
  if (link.tx_queue_length != original.tx_queue_length && original.tx_queue_length != 0)
    change.tx_queue_length = original.tx_queue_length;
  if (link.alias != original.alias) change.alias = original.alias;
  if (change.mtu || change.tx_queue_length || change.alias)
    kernel::change_link(host.socket, link.index, change, fmt::format("restoring the settings of {}", link.name));
  restore_alt_names(host, link, original);
  return kernel::find_link(host.socket, link.index).value_or(link);
}

/// What the pod stood on its netdev would stay in the pod's netns and hear the traffic of the next pod.
void remove_uppers(Located& located) {
  if (located.on_host) return;
  for (const kernel::UpperLink& upper : kernel::list_upper_links(located.socket, located.link.index)) {
    log_info("removing {} {}, which the pod made on {}", upper.kind, upper.name, located.link.name);
    kernel::delete_link(located.socket, upper.index, fmt::format("removing {} of the pod", upper.name));
  }
}

[[noreturn]] void report_lost(const std::string& name, const std::string& where) {
  throw Error(Error::Code::device, fmt::format("moving {} into {} failed: it has vanished on the way", name, where),
              "another program may have renamed or moved it at the same moment; try again");
}

}  // namespace

Identity identity_of(const VfRecord& record, const std::string& pod_name) {
  Identity identity;
  identity.parent_device = record.device;
  identity.pod_name = pod_name;
  identity.pod_index = record.pod_index;
  if (!record.netdev) return identity;
  identity.host_name = record.netdev->name;
  identity.kind = record.netdev->kind;
  identity.mac = record.netdev->mac;
  identity.perm_mac = record.netdev->perm_mac;
  identity.phys_port_name = record.netdev->phys_port_name;
  return identity;
}

std::optional<Located> locate(Host& host, const Identity& identity, const PodNetns& pod) {
  if (identity.parent_device.empty()) {
    // In the pod first: there it has its index, at home a name that another may have by now.
    auto located = find_in_pod(host, identity, pod);
    return located ? std::move(located) : find_at_home(host, identity);
  }
  // A device is at one place: the one that costs least to look at comes first, every netns of the node last.
  if (auto located = find_at_home(host, identity)) return located;
  if (auto located = find_in_pod(host, identity, pod)) return located;
  return find_anywhere(host, identity);
}

std::optional<Located> await_netdev(Host& host, const Identity& identity, const PodNetns& pod,
                                    std::chrono::milliseconds patience) {
  const trace::Span span("kernel wait", "netdev");
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    if (auto located = locate(host, identity, pod)) return located;
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Link move_in(Host& host, Link link, const kernel::NetNs& pod, NlSocket& pod_socket, const std::string& name) {
  if (const auto there = kernel::find_link(pod_socket, name))
    throw Error(Error::Code::held,
                fmt::format("moving {} into {} failed: interface {} exists there already", link.name, pod.path(), name),
                "another network of this pod has the same interface name, or an earlier ADD was not followed by DEL");
  // Alternative names share one space with names, and the kernel refuses a move into a netns where one is taken.
  remove_alt_names(host.socket, link, names_in_the_way(link, name, pod_socket));
  if (link.is_up()) kernel::set_down(host.socket, link);
  kernel::move_link(host.socket, link, pod, name);
  const auto moved = kernel::find_link(pod_socket, name);
  // Between the request and this look somebody in the pod may have renamed it, or put another under its name.
  if (!moved || moved->parent_device != link.parent_device) report_lost(link.name, pod.path());
  return *moved;
}

Link move_home(Host& host, Located& located, const NetdevState& original) {
  // The order matters: what stands on the netdev first, since the kernel leaves it behind; then down, since before
  // Linux 6.2 a link must be down to be renamed; then its names, which the move home would trip over.
  remove_uppers(located);
  sanitise_and_close(located, original);
  remove_foreign_alt_names(host, located, original);
  const std::string name = name_at_home(host, located, original);
  bring_under(host, located, name);
  const auto link = kernel::find_link(host.socket, name);
  if (!link || link->parent_device != located.link.parent_device) report_lost(located.link.name, "the host's netns");
  return settle_at_home(host, *link, original);
}

}  // namespace barewire::vf
