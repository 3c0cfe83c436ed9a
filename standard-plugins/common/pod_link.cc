// SPDX-License-Identifier: Apache-2.0
// The link is made inside the pod where the kernel allows, so that no name of the node can clash.
#include "standard-plugins/common/pod_link.h"

#include <algorithm>

#include "core/cni/configure.h"
#include "core/cni/delegate.h"
#include "core/cni/life.h"
#include "core/cni/zero_values.h"
#include "core/log.h"
#include "core/rollback.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"

namespace barewire::standard {

namespace {

constexpr int kPosition = 0;  ///< in the result: the one interface
constexpr const char* kKindKey = "linkKind";
constexpr const char* kIndexKey = "ifindex";
constexpr const char* kNameKey = "linkName";

/// By its number, since a pod may rename it; by its name where ADD died before it knew the number. Another attachment
/// may have made a link of that name then, and this one none.
std::optional<kernel::Link> find_recorded(kernel::NlSocket& inside, const state::Attachment& attachment,
                                          const Node& node) {
  if (const boost::json::value* index = attachment.data.if_contains(kIndexKey); index != nullptr && index->is_int64())
    return kernel::find_link(inside, static_cast<int>(index->get_int64()));
  // Killed between making it and giving it its name.
  if (const auto link = kernel::find_link(inside, transit_name(attachment.id))) return link;
  const boost::json::value* recorded = attachment.data.if_contains(kNameKey);
  const std::string name = recorded == nullptr ? attachment.id.ifname : std::string(recorded->as_string());
  const auto link = kernel::find_link(inside, name);
  if (!link) return std::nullopt;
  const auto other = store_of(node).find_other(attachment.id, attachment.netns_id.value(), name);
  if (!other) return link;
  log_warning("leaving {} of {} alone, since its ADD did not come to make it, and it is of {}", name, attachment.netns,
              *other);
  return std::nullopt;
}

void undo(const state::Attachment& attachment, Node& node) {
  Collector collector;
  // Before the interface goes: a DHCP server is told through it.
  collector.run("addresses", [&] { release_addresses(attachment, node); });
  collector.run("interface", [&] { remove_pod_link(attachment, node); });
  collector.finish();
}

Undo undo_of(const PodLinkKind& kind) {
  return kind.undo == nullptr ? undo : kind.undo;
}

void require_free_name(kernel::NlSocket& inside, const std::string& name, const std::string& netns) {
  if (kernel::find_link(inside, name))
    throw Error(Error::Code::held,
                fmt::format("creating {} in {} failed: there is an interface of that name", name, netns));
}

cni::Result addresses_for(const PodLinkKind& kind, const cni::Request& request, state::Attachment& attachment,
                          Node& node) {
  if (!request.conf.ipam_type.empty()) return take_addresses(request, attachment, node);
  cni::Result none;
  if (kind.without_ipam != PodLinkKind::Without::previous_result || !request.conf.previous) return none;
  cni::Result previous = *request.conf.previous;
  previous.interfaces.clear();
  return previous;
}

struct Work {
  const cni::Request& request;
  Node& node;
  const kernel::NetNs& netns;
  kernel::NlSocket& inside;
  state::Attachment& attachment;
};

/// The record says what to remove before there is anything to remove.
kernel::Link make_link(Work& work, const PodLinkKind& kind, const CreateLink& create, const PrepareLink& prepare) {
  const std::string name = pod_link_name(kind, work.request.conf, work.request.ifname);
  // Before the record: an ADD that is refused must not leave one by which DEL would remove another's interface.
  require_free_name(work.inside, name, work.request.netns);
  state::Store store = store_of(work.node);
  work.attachment.data[kKindKey] = kind.kind;
  work.attachment.data[kNameKey] = name;
  if (prepare) prepare(work.attachment, work.inside);
  store.save(work.attachment);
  create(work.netns, work.inside);
  const kernel::Link link = kernel::get_link(work.inside, name);
  work.attachment.data[kIndexKey] = link.index;
  store.save(work.attachment);
  return link;
}

/// What the kernel holds to be unique on one parent: an ipvlan's IP addresses, any other link's MAC.
bool has_address_of(const cni::Result& theirs, const kernel::Link& link, const cni::Result& ours) {
  if (link.kind != "ipvlan")
    return std::any_of(theirs.interfaces.begin(), theirs.interfaces.end(), [&](const cni::Interface& interface) {
      return !interface.sandbox.empty() && interface.mac == link.hardware_address;
    });
  return std::any_of(theirs.ips.begin(), theirs.ips.end(), [&](const cni::IpConfig& their) {
    return std::any_of(ours.ips.begin(), ours.ips.end(),
                       [&](const cni::IpConfig& our) { return their.address.address == our.address.address; });
  });
}

/// Whose the address is that the kernel says is in use, as far as records of links of that kind tell; it may be of a
/// link in any netns.
std::string holder_of_address(const Work& work, const kernel::Link& link, const cni::Result& result) try {
  for (const state::Attachment& other : store_of(work.node).list()) {
    const boost::json::value* kind = other.data.if_contains(kKindKey);
    const boost::json::value* recorded = other.data.if_contains("result");
    if (other.id == work.attachment.id || recorded == nullptr || kind == nullptr) continue;
    if (!kind->is_string() || kind->get_string() != std::string_view(link.kind)) continue;
    const auto theirs = cni::Result::parse(JsonView(*recorded, other.id.text()), cni::kLatestVersion);
    if (has_address_of(theirs, link, result)) return "attachment " + other.text();
  }
  return {};
} catch (const Error&) {
  return {};  // the kernel's own answer must not be lost over a record that cannot be read
}

/// Links on one parent share its port: the kernel refuses the second MAC or IP address of a value there. Source:
/// drivers/net/macvlan.c macvlan_open, drivers/net/ipvlan/ipvlan_main.c.
[[noreturn]] void explain_in_use(const Work& work, const kernel::Link& link, const cni::Result& result,
                                 const kernel::KernelError& error) {
  const std::string holder = holder_of_address(work, link, result);
  throw kernel::KernelError(
      error.err(), error.what(),
      holder.empty() ? "a link on the same parent, or the parent itself, has this MAC or IP address; `ip -d link` and "
                       "`ip addr` show them"
                     : fmt::format("{} has this MAC or IP address; give another", holder));
}

void bring_up(const Work& work, const PodLinkKind& kind, const kernel::Link& link, const cni::Result& result) {
  if (!result.ips.empty()) {
    // Without a carrier a probe would never end.
    prepare_for_addresses(work.netns, link, kind.has_carrier ? std::nullopt : std::optional(false));
    cni::configure_interface(work.netns, work.inside, link, result, kPosition);
  } else if (!link.is_up()) {
    kernel::set_up(work.inside, link);
  }
}

cni::Result build(Work& work, const PodLinkKind& kind, const CreateLink& create, const PrepareLink& prepare) {
  const kernel::Link link = make_link(work, kind, create, prepare);
  cni::Result result = addresses_for(kind, work.request, work.attachment, work.node);
  result.interfaces = {interface_of(link, work.request.netns)};
  cni::assign_addresses_to(result, kPosition);
  try {
    bring_up(work, kind, link, result);
  } catch (const kernel::KernelError& error) {
    if (error.err() != EADDRINUSE) throw;
    explain_in_use(work, link, result, error);
  }
  if (cni::overrides_dns(work.request)) result.dns = work.request.conf.dns;
  return result;
}

/// A configuration that makes no sense by now names none.
std::string name_leniently(const PodLinkKind& kind, const cni::Request& request) {
  try {
    return pod_link_name(kind, request.conf, request.ifname);
  } catch (const Error& error) {
    log_warning("ignoring, since there is no record either: {}", error.what());
    return request.ifname;
  }
}

/// The kind of the link goes with a pod that has no record because another suite's plugin made it.
void delete_unrecorded(const PodLinkKind& kind, const cni::Request& request, const Node& node) {
  const std::string name = name_leniently(kind, request);
  const auto netns = find_unclaimed_netns(request, store_of(node), name);
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  const auto link = kernel::find_link(inside, name);
  if (link && link->kind == kind.kind)
    kernel::delete_link(inside, link->index, fmt::format("removing {} of {}", link->name, netns->path()));
}

}  // namespace

std::string transit_name(const state::AttachmentId& id) {
  constexpr std::size_t kDigits = 12;
  return "bw" + hash_name(owner_text(id)).substr(0, kDigits);
}

void remove_pod_link(const state::Attachment& attachment, const Node& node) {
  const boost::json::value* kind = attachment.data.if_contains(kKindKey);
  const auto netns = netns_of(attachment);
  if (kind == nullptr || !netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  const auto link = find_recorded(inside, attachment, node);
  if (link && link->kind == kind->as_string())
    kernel::delete_link(inside, link->index, fmt::format("removing {} of {}", link->name, netns->path()));
}

std::string pod_link_name(const PodLinkKind& kind, const cni::NetConf& conf, const std::string& ifname) {
  const std::string named = kind.name_key == nullptr ? "" : conf.root().string_or(kind.name_key, "");
  return named.empty() ? ifname : named;
}

void require_ipam_type(const cni::Request& request) {
  cni::require_ipam_type(request);
}

cni::Result add_pod_link(const PodLinkKind& kind, const cni::Request& request, Node& node, const CreateLink& create,
                         const PrepareLink& prepare) {
  cni::require_ipam(request, node);
  return add_attachment(request, node, kind.plugin, undo_of(kind), [&](state::Attachment& attachment) {
    Work work{.request = request,
              .node = node,
              .netns = request.pod_netns(),
              .inside = request.pod_socket(),
              .attachment = attachment};
    return build(work, kind, create, prepare);
  });
}

void delete_pod_link(const PodLinkKind& kind, const cni::Request& request, Node& node) {
  const bool recorded = find_record(request, node, kind.plugin).has_value();
  delete_attachment(request, node, kind.plugin, undo_of(kind));
  if (!recorded) delete_unrecorded(kind, request, node);
}

void check_pod_link(const PodLinkKind& kind, const cni::Request& request, Node& node, const CompareLink& compare) {
  const cni::Result& previous = require_previous(request);
  cni::ipam_check(request, node);
  cni::Request named = request;
  named.ifname = pod_link_name(kind, request.conf, request.ifname);
  const int position = cni::find_position(previous, named.ifname);
  kernel::NlSocket& inside = request.pod_socket();
  const kernel::Link link = check_container_interface(inside, named, previous, position);
  if (link.kind != kind.kind) throw_drift(link.name, {fmt::format("it is no {} link", kind.kind)});
  std::vector<std::string> clauses = compare(inside, link);
  if (!link.is_up()) clauses.emplace_back("it is down");
  // The link itself first: without it, or with another in its place, addresses tell nothing.
  throw_drift(link.name, clauses);
  cni::check_interface(inside, link, previous, position);
}

void collect_pod_links(const PodLinkKind& kind, const cni::Request& request, Node& node) {
  collect_with_addresses(request, node, kind.plugin, undo_of(kind));
}

}  // namespace barewire::standard
