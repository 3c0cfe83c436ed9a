// SPDX-License-Identifier: Apache-2.0
/// The bond plugin: an interface of the pod made of several, taken from the node or in the pod already. Source:
/// Documentation/networking/bonding.rst; drivers/net/bonding/bond_netlink.c.
#include <algorithm>

#include "core/cni/delegate.h"
#include "core/cni/life.h"
#include "core/kernel/attributes.h"
#include "core/kernel/new_link.h"
#include "core/log.h"
#include "core/rollback.h"
#include "standard-plugins/bond/config.h"
#include "standard-plugins/bond/members.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_link.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

/// The kernel lets go of a bond's links when it ends.
void undo(const state::Attachment& attachment, Node& node) {
  Collector collector;
  // Before the interface goes: a DHCP server is told through it.
  collector.run("addresses", [&] { release_addresses(attachment, node); });
  collector.run("bond", [&] { remove_pod_link(attachment, node); });
  // Last: a link that is still in the bond can be given back to nobody.
  collector.run("links", [&] { give_members_back(attachment); });
  collector.finish();
}

constexpr PodLinkKind kKind{.plugin = "bond",
                            .kind = "bond",
                            .has_carrier = true,
                            .without_ipam = PodLinkKind::Without::nothing,
                            .name_key = "ifname",
                            .undo = undo};

std::vector<std::string> compare(const BondConfig& config, kernel::NlSocket& inside, const kernel::Link& bond) {
  std::vector<std::string> clauses;
  kernel::read_link_data(inside, bond.index, kKind.kind,
                         [&](const kernel::NlAttributes& data) { clauses = config.settings.compare(data); });
  for (const std::string& name : config.links) {
    const auto link = kernel::find_link(inside, name);
    if (!link || link->master != bond.index) clauses.push_back(fmt::format("{} is no part of it", name));
  }
  return clauses;
}

/// The kernel's own MTU suits links that have it; smaller ones tell what the bond can have.
std::uint32_t mtu_of(const BondConfig& config, const std::vector<BondMember>& members) {
  constexpr std::uint32_t kEthernet = 1500;
  if (config.mtu) return *config.mtu;
  const auto least = std::min_element(members.begin(), members.end(),
                                      [](const auto& one, const auto& other) { return one.mtu < other.mtu; });
  return std::min(kEthernet, least->mtu);
}

cni::Result add(const cni::Request& request, Node& node) {
  const BondConfig config = BondConfig::parse(request.conf.root());
  std::vector<BondMember> members;
  const auto prepare = [&](state::Attachment& attachment, kernel::NlSocket& inside) {
    members = find_members(config, inside);
    members_to_record(members, config.in_container, attachment);
  };
  const auto create = [&](const kernel::NetNs& netns, kernel::NlSocket& inside) {
    kernel::NewLink link;
    link.name = pod_link_name(kKind, request.conf, request.ifname);
    link.mtu = mtu_of(config, members);
    kernel::create_link(inside, kKind.kind, link, [&](kernel::NlMessage& data) { config.settings.write(data); });
    // Inside create: what fails from here on is undone by the record that was written before.
    enslave(members, config.in_container, netns, inside, kernel::get_link(inside, link.name));
  };
  return add_pod_link(kKind, request, node, create, prepare);
}

/// What the request tells of a pod that another suite's plugin served: its links' names.
void give_unrecorded_back(const cni::Request& request, const Node& node) try {
  const BondConfig config = BondConfig::parse(request.conf.root());
  // Members that were in the pod before stay there, and the kernel has let go of them with the bond.
  if (config.in_container || !find_unclaimed_netns(request, store_of(node), request.ifname)) return;
  state::Attachment attachment = state::make_attachment(request, kKind.plugin);
  std::vector<BondMember> members;
  for (const std::string& name : config.links) {
    if (!find_unclaimed_netns(request, store_of(node), name)) continue;
    BondMember member;
    member.name = name;
    members.push_back(member);
  }
  members_to_record(members, config.in_container, attachment);
  give_members_back(attachment);
} catch (const Error& error) {
  if (!error.is(Error::Code::config)) throw;
  log_warning("ignoring, since there is no record either: {}", error.what());
}

void del(const cni::Request& request, Node& node) {
  const bool recorded = find_record(request, node, kKind.plugin).has_value();
  delete_pod_link(kKind, request, node);
  if (!recorded) give_unrecorded_back(request, node);
}

void check(const cni::Request& request, Node& node) {
  const BondConfig config = BondConfig::parse(request.conf.root());
  check_pod_link(kKind, request, node,
                 [&](kernel::NlSocket& inside, const kernel::Link& link) { return compare(config, inside, link); });
}

void gc(const cni::Request& request, Node& node) {
  collect_pod_links(kKind, request, node);
}

}  // namespace

const cni::Plugin kBond{.name = kKind.plugin,
                        .about = "makes an interface of the pod out of several",
                        .add = add,
                        .del = del,
                        .check = check,
                        .gc = gc,
                        .status = cni::ipam_status,
                        .validate = [](const cni::Request& request) { BondConfig::parse(request.conf.root()); }};

}  // namespace barewire::standard
