// SPDX-License-Identifier: Apache-2.0
/// The tuning plugin, chained: sysctls of the pod's netns, and MAC, MTU, queue length and modes of its interface, which
/// DEL puts back.
#include <algorithm>
#include <cerrno>

#include "core/cni/configure.h"
#include "core/cni/life.h"
#include "core/fd.h"
#include "core/kernel/address.h"
#include "core/kernel/sysctl.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/temporary_file.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/pod_veth.h"
#include "standard-plugins/plugins.h"
#include "standard-plugins/tuning/backup.h"
#include "standard-plugins/tuning/config.h"
#include "standard-plugins/tuning/sysctl_value.h"

namespace barewire::standard {

namespace {

constexpr std::string_view kName = "tuning";
constexpr const char* kAllowList = "/etc/cni/tuning/allowlist.conf";
constexpr const char* kDirectoryKey = "dataDir";
constexpr const char* kIndexKey = "ifindex";

/// Drivers without IFF_LIVE_ADDR_CHANGE take a MAC address only while down, and going down costs the link its routes.
void set_mac_while_down(kernel::NlSocket& inside, const kernel::Link& link, const MacAddress& mac) {
  const auto routes = kernel::list_routes(inside, link.index, 0);
  kernel::set_down(inside, link);
  kernel::set_mac(inside, link, mac);
  kernel::set_up(inside, link);
  for (const kernel::RouteInfo& route : routes) try {
      kernel::add_route(inside, route, kernel::IfExists::restore);
    } catch (const kernel::KernelError& error) {
      log_debug("ignoring that a route of {} does not come back: {}", link.name, error.what());  // the kernel's own
    }
}

void ensure_mac(kernel::NlSocket& inside, const kernel::Link& link, const MacAddress& mac) {
  if (link.mac == mac) return;
  try {
    kernel::set_mac(inside, link, mac);
  } catch (const kernel::KernelError& error) {
    // EBUSY is how eth_prepare_mac_addr_change refuses while the link is up; it is tried live first, which costs
    // nothing.
    if (error.err() != EBUSY || !link.is_up()) throw;
    set_mac_while_down(inside, link, mac);
  }
}

void apply(kernel::NlSocket& inside, const kernel::Link& link, const LinkSettings& settings) {
  if (settings.mac) ensure_mac(inside, link, *settings.mac);
  kernel::LinkChange change;
  change.mtu = settings.mtu;
  change.tx_queue_length = settings.tx_queue_length;
  change.promisc = settings.promisc;
  change.allmulti = settings.allmulti;
  if (change.mtu || change.tx_queue_length || change.promisc || change.allmulti)
    kernel::change_link(inside, link.index, change, "tuning " + link.name);
}

std::string directory_of(const state::Attachment& attachment) {
  const boost::json::value* directory = attachment.data.if_contains(kDirectoryKey);
  return directory == nullptr ? std::string() : std::string(directory->as_string());
}

/// By its number, for the pod may have given its name to another.
std::optional<kernel::Link> find_tuned(kernel::NlSocket& inside, const state::Attachment& attachment) {
  const boost::json::value* index = attachment.data.if_contains(kIndexKey);
  if (index == nullptr || !index->is_int64()) return kernel::find_link(inside, attachment.id.ifname);
  return kernel::find_link(inside, static_cast<int>(index->get_int64()));
}

/// Where pod and interface are still there; else there is nothing to put back.
void put_back(const state::Attachment& attachment, const std::optional<LinkSettings>& original) {
  const auto netns = original ? netns_of(attachment) : std::nullopt;
  if (!netns) return;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  if (const auto link = find_tuned(inside, attachment)) apply(inside, *link, *original);
}

std::string backup_of(const state::Attachment& attachment, const std::string& directory) {
  return tuning_backup_path(directory, attachment.id.container_id, attachment.id.ifname);
}

/// As the file says, and then without it.
void undo_by_backup(const state::Attachment& attachment, const std::string& directory) {
  const std::string path = backup_of(attachment, directory);
  put_back(attachment, find_tuning_backup(path));
  remove_file(path);
  remove_temporary(path);
}

void undo(const state::Attachment& attachment, Node&) {
  const std::string directory = directory_of(attachment);
  if (directory.empty()) return;
  const auto original = recorded_original(attachment);
  if (!original) return undo_by_backup(attachment, directory);  // an older version's record
  put_back(attachment, original);
  remove_tuning_backup(backup_of(attachment, directory), *original);
}

void write_sysctls(const kernel::NetNs& netns, const TuningConfig& config) {
  for (const auto& [path, value] : config.sysctls) kernel::write_sysctl(netns, path, value);
}

void tell(cni::Result& result, const std::string& ifname, const LinkSettings& settings) {
  for (cni::Interface& interface : result.interfaces) {
    if (interface.name != ifname) continue;
    if (settings.mac) interface.mac = settings.mac->text();
    // A result that tells no MTU is of a plugin, or a version, that does not: it stays so.
    if (settings.mtu && interface.mtu != 0) interface.mtu = *settings.mtu;
  }
}

/// Whether the record is of this very interface: a runtime may use a container's ID again, and a name anyway.
bool is_of(const state::Attachment& attachment, const kernel::NetNs& netns, const kernel::Link& link) {
  const boost::json::value* index = attachment.data.if_contains(kIndexKey);
  return attachment.netns_id == netns.id() && index != nullptr && index->is_int64() && index->get_int64() == link.index;
}

/// A configuration may name the plugin twice; the second time adds to the first one's record. One of an earlier pod is
/// undone, and a backup without a record is an earlier pod's too.
state::Attachment begin_record(const cni::Request& request, Node& node, const kernel::NetNs& netns,
                               const kernel::Link& link) {
  const auto earlier = find_record(request, node, kName);
  if (earlier && is_of(*earlier, netns, link)) return *earlier;
  if (earlier) undo_attachment(*earlier, node, undo);
  state::Attachment attachment = state::make_attachment(request, kName);
  attachment.data[kIndexKey] = link.index;
  return attachment;
}

void tune(const cni::Request& request, Node& node, const TuningConfig& config) {
  const kernel::NetNs& netns = request.pod_netns();
  if (!config.link.empty()) {
    kernel::NlSocket inside = kernel::NlSocket::in(netns);
    const kernel::Link link = kernel::get_link(inside, request.ifname);
    state::Attachment attachment = begin_record(request, node, netns, link);
    attachment.data[kDirectoryKey] = config.data_dir;
    // Read, put on record, written to the peer's file, changed: in that order.
    const LinkSettings original = record_original(attachment, config.link.present_in(link));
    store_of(node).save(attachment);
    save_tuning_backup(backup_of(attachment, config.data_dir), original);
    apply(inside, link, config.link);
  }
  // After the link: some sysctls are of it. They go with the netns and are not put back.
  write_sysctls(netns, config);
}

cni::Result add(const cni::Request& request, Node& node) {
  const TuningConfig config = TuningConfig::parse(request, kAllowList);
  cni::Result result = require_previous(request);
  const state::FileLock lock = store_of(node).lock_attachment(state::attachment_id(request, kName));
  Rollback rollback;
  rollback.add("settings", [&] { undo_recorded(request, node, kName, undo); });
  tune(request, node, config);
  tell(result, request.ifname, config.link);
  if (auto record = find_record(request, node, kName)) conclude_attachment(*record, result, node);
  rollback.keep();
  return result;
}

std::string data_dir_leniently(const cni::Request& request) {
  try {
    return tuning_data_dir(request);
  } catch (const Error& error) {  // a configuration that ADD refuses has no backup
    log_warning("ignoring, since there is no record either: {}", error.what());
    return {};
  }
}

/// What another suite's plugin changed has a backup too, but no record. Another attachment that has the interface by
/// now has a backup of the same name.
void del(const cni::Request& request, Node& node) {
  if (find_record(request, node, kName)) return delete_attachment(request, node, kName, undo);
  state::Attachment attachment;
  attachment.id = state::attachment_id(request, kName);
  attachment.netns = request.netns;
  const state::Store store = store_of(node);
  const state::FileLock lock = store.lock_attachment(attachment.id);  // clears what a killed ADD left too
  const std::string directory = data_dir_leniently(request);
  const auto there = kernel::NetNs::try_open(request.netns);
  const auto netns = there ? find_unclaimed_netns(request, store, request.ifname) : std::nullopt;
  if (directory.empty() || (there && !netns)) return;
  if (netns) attachment.netns_id = netns->id();
  undo_by_backup(attachment, directory);
}

std::vector<std::string> compare_sysctls(const kernel::NetNs& netns, const TuningConfig& config) {
  std::vector<std::string> clauses;
  for (const auto& [path, value] : config.sysctls) {
    const auto present = kernel::read_sysctl(netns, path);
    if (!present || !is_same_sysctl_value(value, *present))
      clauses.push_back(fmt::format("sysctl {} is {}, not {}", path, present.value_or("missing"), value));
  }
  return clauses;
}

template <typename Value>
void compare(std::vector<std::string>& clauses, const char* what, const std::optional<Value>& wanted,
             const Value& present) {
  if (wanted && *wanted != present) clauses.push_back(fmt::format("its {} is {}, not {}", what, present, *wanted));
}

std::vector<std::string> compare_link(const kernel::Link& link, const LinkSettings& wanted) {
  std::vector<std::string> clauses;
  if (wanted.mac && link.mac != wanted.mac)
    clauses.push_back(fmt::format("its MAC address is not {}", wanted.mac->text()));
  compare(clauses, "MTU", wanted.mtu, link.mtu);
  compare(clauses, "queue length", wanted.tx_queue_length, link.tx_queue_length);
  compare(clauses, "promiscuous mode", wanted.promisc, link.is_promiscuous());
  compare(clauses, "all-multicast mode", wanted.allmulti, link.is_allmulti());
  return clauses;
}

void check(const cni::Request& request, Node&) {
  const TuningConfig config = TuningConfig::parse(request, kAllowList);
  require_previous(request);
  const kernel::NetNs& netns = request.pod_netns();
  kernel::NlSocket inside = kernel::NlSocket::in(netns);
  const auto link = kernel::find_link(inside, request.ifname);
  if (!link) throw Error(Error::Code::drift, fmt::format("{} is missing in {}", request.ifname, request.netns));
  std::vector<std::string> clauses;
  if (!cni::is_bonded(inside, *link)) clauses = compare_link(*link, config.link);
  for (const std::string& clause : compare_sysctls(netns, config)) clauses.push_back(clause);
  throw_drift(request.ifname, clauses);
}

void gc(const cni::Request& request, Node& node) {
  collect_unlisted(request, node, kName, undo);
}

}  // namespace

const cni::Plugin kTuning{.name = kName,
                          .about = "sets sysctls of the pod and attributes of its interface",
                          .add = add,
                          .del = del,
                          .check = check,
                          .gc = gc,
                          .validate = [](const cni::Request& request) { TuningConfig::parse(request, kAllowList); }};

}  // namespace barewire::standard
