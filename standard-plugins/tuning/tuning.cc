// SPDX-License-Identifier: Apache-2.0
/// The tuning plugin, chained: sysctls of the pod's netns, and MAC, MTU, queue length and modes of its interface, which
/// DEL puts back.
#include <algorithm>
#include <cerrno>

#include "core/cni/configure.h"
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

/// Drivers without IFF_LIVE_ADDR_CHANGE take a MAC address only while down, and going down costs the link its routes.
void set_mac_while_down(kernel::NlSocket& inside, const kernel::Link& link, const MacAddress& mac) {
  const auto routes = kernel::list_routes(inside, link.index, 0);
  kernel::set_down(inside, link);
  kernel::set_mac(inside, link, mac);
  kernel::set_up(inside, link);
  for (const kernel::RouteInfo& route : routes) try {
      kernel::add_route(inside, route, kernel::IfExists::replace);
    } catch (const kernel::KernelError& error) {
      log_debug("ignoring that a route of {} does not come back: {}", link.name, error.what());  // the kernel's own
    }
}

void ensure_mac(kernel::NlSocket& inside, const kernel::Link& link, const MacAddress& mac) {
  if (link.mac == mac) return;
  try {
    kernel::set_mac(inside, link, mac);
  } catch (const kernel::KernelError& error) {
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

/// Puts back what the backup says, where pod and interface are still there; else there is nothing to put back.
void undo_in(const state::Attachment& attachment, const std::string& directory) {
  const std::string path = tuning_backup_path(directory, attachment.id.container_id, attachment.id.ifname);
  if (const auto netns = netns_of(attachment)) {
    kernel::NlSocket inside = kernel::NlSocket::in(*netns);
    const auto original = find_tuning_backup(path);
    const auto link = kernel::find_link(inside, attachment.id.ifname);
    if (original && link) apply(inside, *link, *original);
  }
  remove_file(path);
  remove_temporary(path);
}

void undo(const state::Attachment& attachment, Node&) {
  if (const std::string directory = directory_of(attachment); !directory.empty()) undo_in(attachment, directory);
}

void write_sysctls(const kernel::NetNs& netns, const TuningConfig& config) {
  for (const auto& [path, value] : config.sysctls) kernel::write_sysctl(netns, path, value);
}

void tell(cni::Result& result, const std::string& ifname, const LinkSettings& settings) {
  for (cni::Interface& interface : result.interfaces) {
    if (interface.name != ifname) continue;
    if (settings.mac) interface.mac = settings.mac->text();
    if (settings.mtu && interface.mtu != 0) interface.mtu = *settings.mtu;
  }
}

/// A configuration may name the plugin twice; the second time adds to the first one's record and backup.
state::Attachment record_for(const cni::Request& request, const Node& node, const TuningConfig& config) {
  state::Attachment attachment = find_record(request, node, kName).value_or(state::make_attachment(request, kName));
  attachment.data[kDirectoryKey] = config.data_dir;
  return attachment;
}

void tune(const cni::Request& request, Node& node, const TuningConfig& config) {
  const kernel::NetNs& netns = request.pod_netns();
  if (!config.link.empty()) {
    kernel::NlSocket inside = kernel::NlSocket::in(netns);
    const kernel::Link link = kernel::get_link(inside, request.ifname);
    store_of(node).save(record_for(request, node, config));
    save_tuning_backup(tuning_backup_path(config.data_dir, request.container_id, request.ifname),
                       config.link.present_in(link));
    apply(inside, link, config.link);
  }
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

/// What another suite's plugin changed has a backup too, but no record.
void del(const cni::Request& request, Node& node) {
  if (find_record(request, node, kName)) return delete_attachment(request, node, kName, undo);
  state::Attachment attachment;
  attachment.id = state::attachment_id(request, kName);
  attachment.netns = request.netns;
  const state::FileLock lock = store_of(node).lock_attachment(attachment.id);  // clears what a killed ADD left too
  if (const auto netns = kernel::NetNs::try_open(request.netns)) attachment.netns_id = netns->id();
  undo_in(attachment, tuning_data_dir(request));
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
                          .gc = gc};

}  // namespace barewire::standard
