// SPDX-License-Identifier: Apache-2.0
/// The vrf plugin, chained: the pod's interface becomes a member of a VRF of the pod, which is made with its first
/// member and goes with its last. Source: Documentation/networking/vrf.rst; drivers/net/vrf.c.
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <limits>
#include <set>

#include "core/kernel/address.h"
#include "core/kernel/attributes.h"
#include "core/kernel/link.h"
#include "core/kernel/new_link.h"
#include "core/log.h"
#include "core/state/lock_names.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/plugins.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "vrf";
constexpr const char* kKind = "vrf";
constexpr const char* kVrfKey = "vrf";
constexpr const char* kIndexKey = "ifindex";
constexpr const char* kMadeKey = "vrfIndex";  ///< of a VRF that this plugin made; 0: it was there before
constexpr std::size_t kLongestName = 15;

struct Config {
  std::string name;
  std::optional<std::uint32_t> table;
};

Config parse_config(const cni::NetConf& conf) {
  const JsonView root = conf.root();
  const JsonView key = root.at("vrfname");
  Config config{key.string(), std::nullopt};
  if (config.name.empty() || config.name.size() > kLongestName ||
      config.name.find_first_of("/: \t") != std::string::npos || config.name == "." || config.name == "..")
    key.reject("an interface name of 1 to 15 characters");
  const auto table = root.integer_or("table", 0, std::numeric_limits<std::uint32_t>::max(),
                                     "the number of a routing table, 0 for a free one", 0);
  if (table != 0) config.table = static_cast<std::uint32_t>(table);
  return config;
}

std::optional<std::uint32_t> table_of(kernel::NlSocket& inside, int index) {
  std::optional<std::uint32_t> table;
  kernel::read_link_data(inside, index, kKind,
                         [&](const kernel::NlAttributes& data) { table = data.value<std::uint32_t>(IFLA_VRF_TABLE); });
  return table;
}

/// The lowest number that no VRF of the pod has, and none of the kernel's own tables.
std::uint32_t free_table(kernel::NlSocket& inside) {
  std::set<std::uint32_t> taken = {RT_TABLE_COMPAT, RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL};
  for (const kernel::Link& link : kernel::list_links(inside))
    if (link.kind == kKind) taken.insert(table_of(inside, link.index).value_or(0));
  // As the reference chooses: from 1 upwards.
  std::uint32_t number = 1;
  while (taken.contains(number)) ++number;
  return number;
}

/// The VRF of that name; nullopt when there is none. Throws Error{config} when it is something else.
std::optional<kernel::Link> find_vrf(kernel::NlSocket& inside, const Config& config) {
  const auto link = kernel::find_link(inside, config.name);
  if (!link) return std::nullopt;
  if (link->kind != kKind)
    throw Error(Error::Code::config,
                fmt::format("config key \"vrfname\" is \"{}\", which is another interface of the pod", config.name));
  const auto table = table_of(inside, link->index);
  if (config.table && table != config.table)
    throw Error(Error::Code::config, fmt::format("config key \"table\" is {}, but VRF {} has table {} already",
                                                 *config.table, config.name, table.value_or(0)));
  return link;
}

kernel::Link ensure_vrf(kernel::NlSocket& inside, const Config& config) {
  if (const auto there = find_vrf(inside, config)) return *there;
  const std::uint32_t table = config.table ? *config.table : free_table(inside);
  kernel::NewLink link;
  link.name = config.name;
  link.up = true;
  kernel::create_link(inside, kKind, link, [&](kernel::NlMessage& data) { data.put_u32(IFLA_VRF_TABLE, table); });
  return kernel::get_link(inside, config.name);
}

/// What a link loses when it changes its routing table, for the kernel takes it down and up for that: IPv6 addresses
/// (unless keep_addr_on_down is set) and the routes that the kernel did not make itself. Source: net/ipv6/addrconf.c.
struct Belongings {
  std::vector<kernel::AddressInfo> addresses;
  std::vector<kernel::RouteInfo> routes;
};

Belongings belongings_of(kernel::NlSocket& inside, const kernel::Link& link, std::uint32_t table) {
  Belongings belongings;
  for (const kernel::AddressInfo& address : kernel::list_addresses(inside, link.index, AF_INET6))
    // Link-local ones the kernel makes again by itself.
    if (address.scope != RT_SCOPE_LINK) belongings.addresses.push_back(address);
  for (const kernel::RouteInfo& route : kernel::list_routes(inside, link.index, table))
    if (route.protocol != RTPROT_KERNEL) belongings.routes.push_back(route);
  // A gateway must be on a link of its own table before the kernel takes a route through it.
  std::stable_partition(belongings.routes.begin(), belongings.routes.end(),
                        [](const kernel::RouteInfo& route) { return !route.gateway; });
  return belongings;
}

/// Another member may have routes to the same destinations in `table`.
void give_back(kernel::NlSocket& inside, const kernel::Link& link, const Belongings& belongings, std::uint32_t table) {
  const auto if_exists = table == RT_TABLE_MAIN ? kernel::IfExists::restore : kernel::IfExists::beside;
  const auto present = kernel::list_addresses(inside, link.index, AF_INET6);
  for (const kernel::AddressInfo& address : belongings.addresses) {
    const bool is_there = std::any_of(present.begin(), present.end(),
                                      [&](const kernel::AddressInfo& other) { return other.prefix == address.prefix; });
    if (!is_there) kernel::add_address(inside, link.index, address.prefix, IFA_F_NODAD);  // it has been probed before
  }
  for (kernel::RouteInfo route : belongings.routes) {
    route.table = table;
    kernel::add_route(inside, route, if_exists);
  }
}

void change_table(kernel::NlSocket& inside, const kernel::Link& link, int master, std::uint32_t from, std::uint32_t to,
                  const std::string& doing) {
  const Belongings belongings = belongings_of(inside, link, from);
  kernel::LinkChange change;
  change.master = master;
  kernel::change_link(inside, link.index, change, doing);
  give_back(inside, link, belongings, to);
}

void join(kernel::NlSocket& inside, const kernel::Link& link, const kernel::Link& vrf) {
  if (link.master == vrf.index) return;
  change_table(inside, link, vrf.index, RT_TABLE_MAIN, table_of(inside, vrf.index).value_or(RT_TABLE_MAIN),
               fmt::format("adding {} to VRF {}", link.name, vrf.name));
}

void require_no_master(kernel::NlSocket& inside, const kernel::Link& link) {
  if (link.master == 0) return;
  const auto master = kernel::find_link(inside, link.master);
  throw Error(Error::Code::held, fmt::format("adding {} to a VRF failed: it belongs to {} already", link.name,
                                             master ? master->name : "another interface"));
}

/// nullopt in the record of an older version.
std::optional<std::int64_t> made_vrf(const state::Attachment& attachment) {
  const boost::json::value* index = attachment.data.if_contains(kMadeKey);
  return index != nullptr && index->is_int64() ? std::optional(index->get_int64()) : std::nullopt;
}

/// A VRF that is there was made for an earlier member, or it is the pod's own.
bool is_made_by_others(const state::Attachment& attachment, const kernel::Link& vrf, const Node& node) {
  const auto all = store_of(node).list();
  return std::any_of(all.begin(), all.end(), [&](const state::Attachment& other) {
    return other.id.plugin == kName && other.netns_id == attachment.netns_id && made_vrf(other) == vrf.index;
  });
}

void leave(kernel::NlSocket& inside, const kernel::Link& vrf, const std::optional<kernel::Link>& link, bool made) {
  if (link && link->master == vrf.index)
    change_table(inside, *link, 0, table_of(inside, vrf.index).value_or(RT_TABLE_MAIN), RT_TABLE_MAIN,
                 fmt::format("taking {} out of VRF {}", link->name, vrf.name));
  const auto links = kernel::list_links(inside);
  const bool has_members =
      std::any_of(links.begin(), links.end(), [&](const kernel::Link& other) { return other.master == vrf.index; });
  // One that was there before is the pod's own, whoever leaves it last.
  if (made && !has_members) kernel::delete_link(inside, vrf.index, "removing VRF " + vrf.name);
}

/// Interfaces of one pod come and go one after another: each looks for the VRF and for other members.
state::FileLock lock_netns(const std::string& netns, const Node& node) {
  return store_of(node).lock(state::lock_name::vrf(hash_name(netns)), "the VRFs of " + netns, state::kLockTimeout,
                             state::FileLock::File::goes);
}

/// From the record; without one, from the configuration.
std::string vrf_name_of(const state::Attachment& attachment) {
  const boost::json::value* name = attachment.data.if_contains(kVrfKey);
  if (name != nullptr && name->is_string()) return std::string(name->get_string());
  return cni::NetConf::parse(attachment.config).root().string_or("vrfname", "");
}

/// By number: a pod may rename its interfaces.
std::optional<kernel::Link> member_of(kernel::NlSocket& inside, const state::Attachment& attachment) {
  const boost::json::value* index = attachment.data.if_contains(kIndexKey);
  if (index == nullptr || !index->is_int64()) return kernel::find_link(inside, attachment.id.ifname);
  return kernel::find_link(inside, static_cast<int>(index->get_int64()));
}

void undo(const state::Attachment& attachment, Node& node) {
  const auto netns = netns_of(attachment);
  if (!netns) return;
  const std::string name = vrf_name_of(attachment);
  if (name.empty()) return;
  const state::FileLock lock = lock_netns(attachment.netns, node);
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  const auto vrf = kernel::find_link(inside, name);
  if (!vrf || vrf->kind != kKind) return;
  // Killed before it wrote which one it made: then it had none as a member either.
  const bool made = made_vrf(attachment).value_or(vrf->index) == vrf->index;
  leave(inside, *vrf, member_of(inside, attachment), made);
}

void make_member(const cni::Request& request, Node& node, const Config& config, state::Attachment& attachment) {
  const state::FileLock lock = lock_netns(request.netns, node);
  kernel::NlSocket& inside = request.pod_socket();
  const kernel::Link link = kernel::get_link(inside, request.ifname);
  require_no_master(inside, link);
  const auto there = find_vrf(inside, config);  // what cannot be is refused before there is a record
  attachment.data[kVrfKey] = config.name;
  attachment.data[kIndexKey] = link.index;
  if (there) attachment.data[kMadeKey] = is_made_by_others(attachment, *there, node) ? there->index : 0;
  store_of(node).save(attachment);
  const kernel::Link vrf = ensure_vrf(inside, config);
  if (!there) {
    attachment.data[kMadeKey] = vrf.index;
    store_of(node).save(attachment);
  }
  join(inside, link, vrf);
}

cni::Result add(const cni::Request& request, Node& node) {
  const Config config = parse_config(request.conf);
  const cni::Result result = require_previous(request);
  return add_attachment(request, node, kName, undo, [&](state::Attachment& attachment) {
    make_member(request, node, config, attachment);
    return result;
  });
}

void del(const cni::Request& request, Node& node) {
  delete_attachment(request, node, kName, undo);
}

void check(const cni::Request& request, Node&) {
  const Config config = parse_config(request.conf);
  require_previous(request);
  kernel::NlSocket& inside = request.pod_socket();
  const auto vrf = kernel::find_link(inside, config.name);
  const auto link = kernel::find_link(inside, request.ifname);
  std::vector<std::string> clauses;
  if (!vrf || vrf->kind != kKind) {
    clauses.push_back(fmt::format("VRF {} is missing", config.name));
  } else {
    if (!vrf->is_up()) clauses.push_back(fmt::format("VRF {} is down", config.name));
    const auto table = table_of(inside, vrf->index);
    if (config.table && table != config.table)
      clauses.push_back(fmt::format("VRF {} has table {}, not {}", config.name, table.value_or(0), *config.table));
    if (!link || link->master != vrf->index) clauses.push_back(fmt::format("it is no member of VRF {}", config.name));
  }
  throw_drift(request.ifname, clauses);
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

}  // namespace

const cni::Plugin kVrf{.name = kName,
                       .about = "makes the pod's interface a member of a VRF of the pod",
                       .add = add,
                       .del = del,
                       .check = check,
                       .gc = gc,
                       .status = nullptr,
                       .validate = [](const cni::Request& request) { parse_config(request.conf); },
                       .oldest = {0, 3, 1}};

}  // namespace barewire::standard
