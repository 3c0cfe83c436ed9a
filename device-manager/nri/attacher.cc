// SPDX-License-Identifier: Apache-2.0
/// Every decision is taken from records at that moment: a daemon that was killed half-way, and one that runs beside
/// this one during an upgrade, leave nothing but those.
#include "device-manager/nri/attacher.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/cni/request.h"
#include "core/journal.h"
#include "core/kernel/link.h"
#include "core/kernel/netns.h"
#include "core/kernel/sysfs.h"
#include "core/state/lock_names.h"
#include "core/vf/inventory.h"
#include "device-manager/plugin_call.h"

namespace barewire::nri {

namespace json = boost::json;

namespace {

constexpr const char* kPlugin = "sriov";
constexpr const char* kPluginDirectory = "/opt/cni/bin";  ///< for an IPAM plugin that is not in this program

std::chrono::milliseconds left_until(Attacher::Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Attacher::Deadline::clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

/// Was its ADD done? One that was killed leaves a record without a result.
bool is_whole(const state::Attachment& attachment) {
  return attachment.data.contains("result");
}

std::string configuration(const std::string& network, const state::ClaimedDevice& device) {
  json::object config{{"cniVersion", "1.0.0"}, {"name", network}, {"type", kPlugin}, {"deviceID", device.id}};
  // All other keys of the claim the plugin takes from the claim's record, as when Multus calls it.
  if (const auto* ipam = device.settings.if_contains("ipam")) config["ipam"] = *ipam;
  return json::serialize(config);
}

cni::Environment environment(const std::string& command, const Sandbox& sandbox, const std::string& ifname) {
  cni::Environment result;
  result.command = command;
  result.container_id = sandbox.id;
  result.netns = sandbox.netns;
  result.ifname = ifname;
  result.path = kPluginDirectory;
  result.args =
      fmt::format("IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={};K8S_POD_UID={}",
                  sandbox.name_space, sandbox.name, sandbox.id, sandbox.uid);
  return result;
}

std::string asked_name(const state::ClaimedDevice& device) {
  const auto* name = device.settings.if_contains("ifname");
  return name != nullptr && name->is_string() ? std::string(name->get_string()) : std::string();
}

/// "net1", "net2", …, as Multus counts, without those that are taken.
std::string free_name(std::set<std::string>& taken) {
  for (int number = 1;; ++number)
    if (const std::string name = fmt::format("net{}", number); taken.insert(name).second) return name;
}

std::set<std::string> links_in(const std::string& netns) {
  kernel::NlSocket socket = kernel::NlSocket::in(kernel::NetNs::open(netns));
  std::set<std::string> names;
  for (const kernel::Link& link : kernel::list_links(socket)) names.insert(link.name);
  return names;
}

void record(const Sandbox& sandbox, const std::string& network, const std::string& ifname, const std::string& device,
            std::chrono::steady_clock::time_point start, const Error* failure) {
  const auto took = std::chrono::steady_clock::now() - start;
  journal::record({.kind = failure != nullptr ? journal::Kind::refusal : journal::Kind::attach,
                   .plugin = kPlugin,
                   .command = "ADD",
                   .network = network,
                   .name_space = sandbox.name_space,
                   .pod = sandbox.name,
                   .container = sandbox.id,
                   .ifname = ifname,
                   .device = device,
                   .took = std::chrono::duration_cast<std::chrono::microseconds>(took),
                   .code = failure != nullptr ? failure->code() : 0,
                   .what = failure != nullptr ? failure->what() : "",
                   .hint = failure != nullptr ? failure->hint() : ""});
}

}  // namespace

Attacher::Attacher(const Node& node, std::string network, std::function<void(const std::string&)> log)
    : node_(node),
      network_(std::move(network)),
      log_(std::move(log)),
      store_(node.run_dir),
      claims_(node.cni_state_dir + state::ClaimRecords::kBelow) {}

std::vector<state::ClaimRecord> Attacher::claims_of(const Sandbox& sandbox) const {
  std::vector<state::ClaimRecord> claims = claims_.list();
  std::erase_if(claims,
                [&](const state::ClaimRecord& each) { return each.pod.uid.empty() || each.pod.uid != sandbox.uid; });
  // The same order at each call, so that a VF has the same name when a killed call is repeated.
  std::sort(claims.begin(), claims.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return claims;
}

/// Accelerators, auxiliary devices and whole NICs are the container's by device nodes, or stay where they are.
bool Attacher::is_to_be_attached(const state::ClaimedDevice& device, const Sandbox& sandbox) const {
  if (!kernel::find_vf_place(kernel::Sysfs(node_.sysfs), device.id)) return false;
  const auto holder = store_.holder(device.id);
  if (!holder) return true;
  // Of a sandbox that has died it is taken back by ADD, which refuses it else.
  if (holder->container_id != sandbox.id) return true;
  // Another network's ADD in this pod is not ours to finish.
  const auto attachment = store_.find(*holder);
  return holder->network == network_ && attachment && !is_whole(*attachment);
}

std::vector<Attacher::Wanted> Attacher::missing(const std::vector<state::ClaimRecord>& claims,
                                                const Sandbox& sandbox) const {
  std::vector<Wanted> wanted;
  for (const state::ClaimRecord& claim : claims)
    for (const state::ClaimedDevice& device : claim.devices)
      if (is_to_be_attached(device, sandbox)) wanted.push_back({&device, asked_name(device)});
  if (!wanted.empty()) give_names(wanted, sandbox);
  return wanted;
}

void Attacher::give_names(std::vector<Wanted>& wanted, const Sandbox& sandbox) const {
  std::set<std::string> taken = links_in(sandbox.netns);
  // A VF on a user-space driver has no link, and a name all the same. What a killed call of ours has left is not in the
  // way: the same VF has the same name again, and its ADD clears it.
  for (const state::Attachment& each : store_.list())
    if (each.id.container_id == sandbox.id && (each.id.network != network_ || is_whole(each)))
      taken.insert(each.id.ifname);
  for (Wanted& each : wanted) {
    const auto holder = store_.holder(each.device->id);
    // One that was begun keeps its name: ADD takes back what is left of it first.
    if (holder && holder->container_id == sandbox.id)
      each.ifname = holder->ifname;
    else if (!each.ifname.empty() && !taken.insert(each.ifname).second)
      throw Error(Error::Code::config,
                  fmt::format("attaching {} failed: the pod has an interface {} already", each.device->id, each.ifname),
                  "give each request of the pod's claims an \"ifname\" of its own");
  }
  for (Wanted& each : wanted)
    if (each.ifname.empty()) each.ifname = free_name(taken);
}

void Attacher::add(const Sandbox& sandbox, const Wanted& wanted, Deadline deadline) {
  const auto start = std::chrono::steady_clock::now();
  const std::string& device = wanted.device->id;
  const state::AttachmentId id{network_, sandbox.id, wanted.ifname, kPlugin};
  try {
    // Held over the call: the plugin of a daemon that was killed may still be at it.
    const state::FileLock lock =
        store_.lock(state::lock_name::attachment(id.network, id.container_id, id.ifname, id.plugin),
                    "attachment " + id.text(), left_until(deadline), state::FileLock::File::goes);
    const auto present = store_.find(id);
    if (present && is_whole(*present) && store_.holder(device) == id) return;
    manager::call_in_child(node_, kPlugin, environment("ADD", sandbox, wanted.ifname),
                           configuration(network_, *wanted.device), left_until(deadline), &lock);
  } catch (const Error& error) {
    record(sandbox, network_, wanted.ifname, device, start, &error);
    throw;
  }
  record(sandbox, network_, wanted.ifname, device, start, nullptr);
  log_(fmt::format("attached {} to pod {}/{} as {}", device, sandbox.name_space, sandbox.name, wanted.ifname));
}

void Attacher::attach(const Sandbox& sandbox, Deadline deadline) {
  // A part of the time is for undoing: a runtime that had no answer by then starts the pod without its VFs.
  const Deadline last_add = deadline - left_until(deadline) * 2 / 5;
  const std::vector<state::ClaimRecord> claims = claims_of(sandbox);
  if (claims.empty()) return;
  if (sandbox.netns.empty())
    return log_(
        fmt::format("sandbox {} of pod {}/{} has no netns (it is on the host's network, or has ended): the VFs of "
                    "its claims stay where they are",
                    sandbox.id, sandbox.name_space, sandbox.name));
  std::set<std::string> made;
  try {
    for (const Wanted& each : missing(claims, sandbox)) {
      made.insert(each.ifname);
      add(sandbox, each, last_add);
    }
  } catch (const Error&) {
    if (!made.empty() && !del_all(sandbox.id, &made, deadline)) untidy_[sandbox.id].merge(made);
    throw;
  }
}

void Attacher::del(const state::Attachment& attachment, Deadline deadline) {
  manager::call_in_child(node_, attachment.id.plugin, attachment.del_environment(), attachment.config,
                         left_until(deadline));
  log_(fmt::format("detached {} of pod {}/{}", attachment.id.ifname, attachment.pod.name_space, attachment.pod.name));
  journal::record({.kind = journal::Kind::detach,
                   .plugin = attachment.id.plugin,
                   .command = "DEL",
                   .network = attachment.id.network,
                   .name_space = attachment.pod.name_space,
                   .pod = attachment.pod.name,
                   .container = attachment.id.container_id,
                   .ifname = attachment.id.ifname});
}

bool Attacher::del_all(const std::string& sandbox, const std::set<std::string>* only, Deadline deadline) {
  state::Store::Unreadable unreadable;
  std::vector<state::Attachment> attachments = store_.list(network_, &unreadable);
  std::erase_if(attachments, [&](const state::Attachment& each) {
    return each.id.container_id != sandbox || (only != nullptr && !only->contains(each.id.ifname));
  });
  bool done = unreadable.empty();
  for (const state::Attachment& each : attachments) {
    try {
      del(each, deadline);
    } catch (const Error& error) {
      done = false;
      log_(fmt::format("detaching {} failed, it is tried again: {}", each.id.text(), manager::describe(error)));
    }
  }
  return done;
}

void Attacher::detach(const std::string& sandbox, Deadline deadline) noexcept {
  try {
    if (!del_all(sandbox, nullptr, deadline)) untidy_[sandbox].clear();
  } catch (const std::exception& error) {
    log_(fmt::format("detaching the VFs of sandbox {} failed, it is tried again: {}", sandbox, error.what()));
    untidy_[sandbox].clear();
  }
}

bool Attacher::tidy() noexcept {
  for (auto each = untidy_.begin(); each != untidy_.end();) {
    bool done = false;
    try {
      done = del_all(each->first, each->second.empty() ? nullptr : &each->second,
                     Deadline::clock::now() + manager::kPluginTimeout);
    } catch (const std::exception& error) {
      log_(fmt::format("detaching the VFs of sandbox {} failed: {}", each->first, error.what()));
    }
    each = done ? untidy_.erase(each) : std::next(each);
  }
  return untidy_.empty();
}

}  // namespace barewire::nri
