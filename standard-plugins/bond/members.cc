// SPDX-License-Identifier: Apache-2.0
// The kernel gives a member the bond's address, and takes some members only while they are down.
#include "standard-plugins/bond/members.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cerrno>
#include <chrono>
#include <thread>

#include "core/json_view.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/trace.h"
#include "core/vf/restore.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/links.h"

namespace barewire::standard {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* kMembersKey = "members";
constexpr const char* kFromNodeKey = "membersFromNode";

std::string text_of(const std::optional<MacAddress>& mac) {
  return mac ? mac->text() : "";
}

BondMember member_of(const JsonView& view) {
  return {.name = view.at("name").string(),
          .mac = MacAddress::parse(view.string_or("mac", "")),
          .perm_mac = MacAddress::parse(view.string_or("permanentMac", "")),
          .mtu = static_cast<std::uint32_t>(view.integer_or("mtu", 0, INT32_MAX, "an MTU", 0)),
          .up = view.has("up") ? std::optional(view.at("up").boolean()) : std::nullopt};
}

std::vector<BondMember> recorded_members(const state::Attachment& attachment) {
  std::vector<BondMember> members;
  const json::value* list = attachment.data.if_contains(kMembersKey);
  if (list == nullptr) return members;
  const JsonView view(*list, "record key", Error::Code::state);
  for (const JsonView& member : view.array()) members.push_back(member_of(member));
  return members;
}

std::optional<kernel::Link> find_by_permanent_mac(kernel::NlSocket& socket, const BondMember& member) {
  for (kernel::Link& link : kernel::list_links(socket))
    if (link.perm_mac == member.perm_mac) return std::move(link);
  return std::nullopt;
}

/// By its name; a pod may have renamed a NIC, which its permanent address tells.
std::optional<kernel::Link> find_member(kernel::NlSocket& socket, const BondMember& member) {
  if (auto link = kernel::find_link(socket, member.name)) return link;
  return member.perm_mac ? find_by_permanent_mac(socket, member) : std::nullopt;
}

/// The bond gave its MTU, and perhaps its MAC address, to the link.
void restore_attributes(kernel::NlSocket& socket, const kernel::Link& link, const BondMember& member) {
  if (member.mac && link.mac != member.mac) kernel::set_mac(socket, link, *member.mac);
  if (member.mtu != 0 && link.mtu != member.mtu) kernel::set_mtu(socket, link, member.mtu);
}

void restore_state(kernel::NlSocket& socket, const kernel::Link& link, const BondMember& member) {
  if (!member.up || *member.up == link.is_up()) return;
  if (*member.up)
    kernel::set_up(socket, link);
  else
    kernel::set_down(socket, link);
}

void release(kernel::NlSocket& inside, kernel::Link& link) {
  // The kernel has let go of it already, where the bond is gone.
  if (link.master == 0) return;
  kernel::LinkChange change;
  change.master = 0;
  kernel::change_link(inside, link.index, change, "taking " + link.name + " out of its bond");
  link = kernel::get_link(inside, link.name);
}

void give_back_inside(kernel::NlSocket& inside, kernel::Link& link, const BondMember& member, bool from_node) {
  // Out of the bond first: while it is in, its MAC and MTU are the bond's.
  release(inside, link);
  // Down before its MAC is set back: drivers without live address change want it so. Source: net/ethernet/eth.c
  // eth_prepare_mac_addr_change.
  if (from_node && link.is_up()) kernel::set_down(inside, link);
  restore_attributes(inside, link, member);
  if (from_node)
    // Under its own name at once: what the pod called it may be an interface of the node.
    kernel::move_link(inside, link, kernel::NetNs::current(), member.name);
  else
    restore_state(inside, link, member);
}

/// A NIC comes back by itself under the name that the pod gave it. Its own may have gone to another one meanwhile.
void restore_name(kernel::NlSocket& host, kernel::Link& link, const BondMember& member) {
  if (link.name == member.name) return;
  if (kernel::find_link(host, member.name))
    return log_warning("another interface is called {} now; its former bearer stays {}", member.name, link.name);
  if (link.is_up()) kernel::set_down(host, link);
  kernel::rename_link(host, link, member.name);
  link = kernel::get_link(host, member.name);
}

void settle_at_home(kernel::NlSocket& host, std::optional<kernel::Link> link, const BondMember& member) {
  if (!link || link->master != 0) return;
  restore_name(host, *link, member);
  restore_attributes(host, *link, member);
  restore_state(host, *link, member);
}

void give_back(kernel::NlSocket& inside, const BondMember& member, bool from_node) {
  if (auto link = find_member(inside, member)) give_back_inside(inside, *link, member, from_node);
  if (!from_node) return;
  kernel::NlSocket host;
  settle_at_home(host, find_member(host, member), member);
}

/// The kernel puts a NIC back on the node by itself, some time after its pod's netns ended, and ends any other link.
void await_back(const BondMember& member, Clock::time_point deadline) {
  // A link of software ended with its netns, and has none.
  if (!member.perm_mac) return;
  const trace::Span span("kernel wait", "netdev");
  kernel::NlSocket host;
  auto link = find_by_permanent_mac(host, member);
  while (!link && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    link = find_by_permanent_mac(host, member);
  }
  settle_at_home(host, std::move(link), member);
}

void require_usable(const kernel::Link& link, const BondConfig& config) {
  if (link.master != 0)
    throw Error(Error::Code::held,
                fmt::format("adding {} to a bond failed: it belongs to another interface", link.name));
  if (config.mtu && *config.mtu > link.mtu)
    throw Error(Error::Code::config,
                fmt::format("config key \"mtu\" is {}, but the MTU of {} is {}", *config.mtu, link.name, link.mtu));
}

}  // namespace

std::vector<BondMember> find_members(const BondConfig& config, kernel::NlSocket& inside) {
  kernel::NlSocket host;
  kernel::NlSocket& socket = config.in_container ? inside : host;
  std::vector<BondMember> members;
  for (const std::string& name : config.links) {
    const kernel::Link link = kernel::get_link(socket, name);
    require_usable(link, config);
    members.push_back(
        {.name = link.name, .mac = link.mac, .perm_mac = link.perm_mac, .mtu = link.mtu, .up = link.is_up()});
  }
  return members;
}

void members_to_record(const std::vector<BondMember>& members, bool in_container, state::Attachment& attachment) {
  json::array list;
  for (const BondMember& member : members) {
    json::object one{{"name", member.name},
                     {"mac", text_of(member.mac)},
                     {"permanentMac", text_of(member.perm_mac)},
                     {"mtu", member.mtu}};
    if (member.up) one["up"] = *member.up;
    list.push_back(std::move(one));
  }
  attachment.data[kMembersKey] = std::move(list);
  attachment.data[kFromNodeKey] = !in_container;
}

void enslave(const std::vector<BondMember>& members, bool in_container, const kernel::NetNs& netns,
             kernel::NlSocket& inside, const kernel::Link& bond) {
  std::vector<MacAddress> taken;
  for (const BondMember& member : members) {
    if (!in_container) {
      kernel::NlSocket host;
      kernel::move_link(host, kernel::get_link(host, member.name), netns, member.name);
    }
    const kernel::Link link = kernel::get_link(inside, member.name);
    if (link.is_up()) kernel::set_down(inside, link);  // the kernel takes no member that is up
    if (member.mac && std::find(taken.begin(), taken.end(), *member.mac) != taken.end())
      // Two members with one address (macvlans of one parent, say) would confuse the modes that balance by it.
      kernel::set_mac(inside, link, random_mac());
    else if (member.mac)
      taken.push_back(*member.mac);
    kernel::LinkChange change;
    change.master = bond.index;
    kernel::change_link(inside, link.index, change, fmt::format("adding {} to bond {}", link.name, bond.name));
  }
}

void give_members_back(const state::Attachment& attachment) {
  const json::value* from = attachment.data.if_contains(kFromNodeKey);
  const bool from_node = from != nullptr && from->is_bool() && from->get_bool();
  std::optional<kernel::NlSocket> inside;
  if (const auto netns = netns_of(attachment)) inside = kernel::NlSocket::in(*netns);
  // One deadline for all of them: a netns ends once, and its devices come back together.
  const auto deadline = Clock::now() + vf::kNetnsPatience;
  Collector collector;
  for (const BondMember& member : recorded_members(attachment))
    collector.run("giving back " + member.name, [&] {
      if (inside) return give_back(*inside, member, from_node);
      if (from_node) await_back(member, deadline);
    });
  collector.finish();
}

}  // namespace barewire::standard
