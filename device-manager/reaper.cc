// SPDX-License-Identifier: Apache-2.0
// What was found dead is looked at again, under its lock, before it is touched: a later ADD may have its names by then.
#include "device-manager/reaper.h"

#include <time.h>

#include <algorithm>

#include "core/cni/life.h"
#include "core/journal.h"
#include "core/kernel/sysfs.h"
#include "core/vf/settings.h"
#include "device-manager/plugin_call.h"

namespace barewire::manager {
namespace {

/// A record without a readable time is as old as can be.
WallTime time_of(const state::Attachment& attachment) {
  return parse_time(attachment.since).value_or(WallTime::min());
}

bool is_ripe(WallTime since, WallTime now, std::chrono::seconds guard) {
  // A guard of 0 means "all of them", also those with a time in the future.
  return since <= now - guard || guard == std::chrono::seconds::zero();
}

/// The very record, not one of a later ADD under the same names.
bool is_recorded(const state::Store& store, const state::Attachment& attachment) {
  const auto present = store.find(attachment.id);
  return present && present->since == attachment.since && present->netns_id == attachment.netns_id &&
         present->boot_id == attachment.boot_id;
}

/// This very record under its id: a later ADD makes another one.
std::string key_of(const state::Attachment& attachment) {
  return fmt::format("{} {} {}", attachment.id.text(), attachment.id.plugin, attachment.since);
}

std::string key_of(const state::Claim& claim) {
  return fmt::format("{} {}", claim.device, claim.record);
}

void look(ReapPlan& plan, const std::string& what, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    plan.unseen.push_back({what, error.what()});
  }
}

/// Why it is not to be undone after all; nullopt: it is.
std::optional<Reaped> decide_again(const state::Store& store, const state::Attachment& attachment, Reaped reaped) {
  if (!is_recorded(store, attachment)) {
    reaped.left = "it has been deleted meanwhile";
    return reaped;
  }
  // A look of its own, not the plan's: that one may be minutes old by now.
  const Look dead = is_dead(attachment);
  if (dead.is_yes()) return std::nullopt;
  if (dead.is_no()) reaped.left = "its netns lives";
  if (dead.is_unknown()) reaped.error = fmt::format("whether its netns is dead cannot be told: {}", dead.why());
  return reaped;
}

}  // namespace

ReapPlan plan_reaping(const std::vector<state::Attachment>& attachments, const std::vector<state::Claim>& claims,
                      const Judge& judge, WallTime now, std::chrono::seconds guard) {
  ReapPlan plan;
  for (const state::Attachment& attachment : attachments) {
    const Look dead = judge(attachment);
    if (dead.is_yes()) plan.attachments.push_back({attachment, is_ripe(time_of(attachment), now, guard)});
    if (dead.is_unknown())
      plan.unseen.push_back({fmt::format("attachment {} ({})", attachment.text(), attachment.id.plugin),
                             fmt::format("whether its netns is dead cannot be told: {}", dead.why())});
  }
  // The youngest first: chained plugins were added after the one whose interface they work on.
  std::stable_sort(plan.attachments.begin(), plan.attachments.end(),
                   [](const auto& a, const auto& b) { return time_of(a.attachment) > time_of(b.attachment); });
  std::copy_if(claims.begin(), claims.end(), std::back_inserter(plan.claims),
               [&](const state::Claim& claim) { return !claim.has_record && is_ripe(claim.since, now, guard); });
  return plan;
}

ReapPlan plan_reaping(const Node& node, WallTime now, std::chrono::seconds guard) {
  const state::Store store(node.run_dir);
  ReapPlan seen;
  std::vector<state::Attachment> attachments;
  std::vector<state::Claim> claims;
  state::Store::Unreadable unreadable;
  // Records first: a sandbox that is made between the two looks is not among them.
  look(seen, "the records of attachments", [&] { attachments = store.list(&unreadable); });
  look(seen, "the claims of devices", [&] { claims = store.claims(); });
  LifeSigns signs;
  ReapPlan plan = plan_reaping(
      attachments, claims, [&](const state::Attachment& each) { return signs.is_dead(each); }, now, guard);
  for (const auto& [path, error] : unreadable) seen.unseen.push_back({path, error});
  plan.unseen.insert(plan.unseen.begin(), seen.unseen.begin(), seen.unseen.end());
  return plan;
}

namespace {

/// Of what `reaped` says; nothing where it was left as it is. The device: while the record is there.
void record_reaped(const state::Attachment& attachment, const std::string& device, const Reaped& reaped) {
  if (reaped.left) return;
  journal::record({.kind = reaped.error ? journal::Kind::refusal : journal::Kind::reap,
                   .plugin = attachment.id.plugin,
                   .command = "DEL",
                   .network = attachment.id.network,
                   .name_space = attachment.pod.name_space,
                   .pod = attachment.pod.name,
                   .container = attachment.id.container_id,
                   .ifname = attachment.id.ifname,
                   .device = device,
                   .code = reaped.error ? static_cast<int>(Error::Code::delegate) : 0,
                   .what = reaped.error.value_or("its netns is gone")});
}

/// Empty when it has none, or that cannot be told: it is for the journal alone.
std::string device_of(const state::Store& store, const state::AttachmentId& id) {
  try {
    const std::string record = store.path_of(id);
    for (const state::Claim& claim : store.claims())
      if (claim.record == record) return claim.device;
  } catch (const Error&) {  // told by what follows
  }
  return {};
}

Reaped reap_attachment(const Node& node, const state::Store& store, const state::Attachment& attachment) {
  Reaped reaped{.what = fmt::format("attachment {} ({})", attachment.text(), attachment.id.plugin)};
  const bool is_inside = node.plugins != nullptr && node.plugins->find(attachment.id.plugin) != nullptr;
  try {
    std::optional<state::FileLock> lock(store.lock_attachment(attachment.id));
    if (auto instead = decide_again(store, attachment, reaped)) return *std::move(instead);
    if (!is_inside) lock.reset();  // a program of its own takes its own
    call_in_child(node, attachment.id.plugin, attachment.del_environment(), attachment.config, kPluginTimeout,
                  lock ? &*lock : nullptr);
    // DEL of a plugin that is not ours may end well and leave our record: then it would come again at every look,
    // unsaid.
    if (is_recorded(store, attachment)) reaped.error = "its plugin reported success and left the record";
  } catch (const Error& error) {
    reaped.error = describe(error);
  }
  return reaped;
}

}  // namespace

Reaped reap(const Node& node, const state::Attachment& attachment) {
  const state::Store store(node.run_dir);
  const std::string device = device_of(store, attachment.id);
  Reaped reaped = reap_attachment(node, store, attachment);
  record_reaped(attachment, device, reaped);
  return reaped;
}

Reaped reap(const Node& node, const state::Claim& claim) {
  Reaped reaped{.what = fmt::format("claim on {}", claim.device)};
  try {
    state::Store store(node.run_dir);
    const auto lock = vf::lock_device(store, kernel::Sysfs(node.sysfs), claim.device);
    if (!store.release_stale(claim))
      reaped.left = "it has been given up or taken meanwhile";
    else
      journal::record(
          {.kind = journal::Kind::reap, .device = claim.device, .what = "no record stood behind its claim"});
  } catch (const Error& error) {
    reaped.error = describe(error);
  }
  return reaped;
}

ReapPlan GraceWatch::due(const ReapPlan& plan, SteadyTime now) {
  std::map<std::string, SteadyTime> seen;
  const auto is_due = [&](const std::string& key) {
    const auto before = first_seen_.find(key);
    const SteadyTime first = before == first_seen_.end() ? now : before->second;
    seen.emplace(key, first);
    return now - first >= grace_;
  };
  ReapPlan result;
  for (const DeadAttachment& dead : plan.attachments)
    // Asked also of what is not ripe, so that its time runs.
    if (is_due(key_of(dead.attachment)) && dead.ripe) result.attachments.push_back(dead);
  for (const state::Claim& claim : plan.claims)
    if (is_due(key_of(claim))) result.claims.push_back(claim);
  // What is no longer dead is forgotten, and begins anew if it dies again.
  result.unseen = plan.unseen;
  first_seen_ = std::move(seen);
  return result;
}

std::optional<SteadyTime> GraceWatch::next() const {
  std::optional<SteadyTime> earliest;
  for (const auto& [key, first] : first_seen_) {
    if (!earliest || first + grace_ < *earliest) earliest = first + grace_;
  }
  return earliest;
}

std::optional<WallTime> parse_time(const std::string& text) {
  tm utc{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&utc));
}

}  // namespace barewire::manager
