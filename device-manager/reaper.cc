// SPDX-License-Identifier: Apache-2.0
#include "device-manager/reaper.h"

#include <time.h>

#include <algorithm>

#include "core/kernel/pci.h"
#include "device-manager/liveness.h"
#include "device-manager/plugin_call.h"

namespace barewire::manager {
namespace {

/// A record without a readable time is as old as can be.
WallTime time_of(const state::Attachment& attachment) {
  return parse_time(attachment.since).value_or(WallTime::min());
}

bool is_ripe(WallTime since, WallTime now, std::chrono::seconds guard) {
  return since <= now - guard || guard == std::chrono::seconds::zero();
}

/// The very record, not one of a later ADD under the same names.
bool is_recorded(const state::Store& store, const state::Attachment& attachment) {
  const auto present = store.find(attachment.id);
  return present && present->since == attachment.since && present->netns_id == attachment.netns_id &&
         present->boot_id == attachment.boot_id;
}

/// Of the device: VFs are claimed under their PF's lock.
state::FileLock lock_device(const Node& node, const state::Store& store, const std::string& device) {
  const auto place = kernel::find_vf_place(kernel::Sysfs(node.sysfs), device);
  return place ? store.lock("pf-" + place->pf_address, "PF " + place->pf_address)
               : store.lock("device-" + device, device);
}

}  // namespace

ReapPlan plan_reaping(const std::vector<state::Attachment>& attachments, const std::vector<state::Claim>& claims,
                      const std::function<bool(const state::Attachment&)>& is_alive, WallTime now,
                      std::chrono::seconds guard) {
  ReapPlan plan;
  for (const state::Attachment& attachment : attachments) {
    if (!is_alive(attachment)) plan.attachments.push_back({attachment, is_ripe(time_of(attachment), now, guard)});
  }
  std::stable_sort(plan.attachments.begin(), plan.attachments.end(),
                   [](const auto& a, const auto& b) { return time_of(a.attachment) > time_of(b.attachment); });
  std::copy_if(claims.begin(), claims.end(), std::back_inserter(plan.claims),
               [&](const state::Claim& claim) { return !claim.has_record && is_ripe(claim.since, now, guard); });
  return plan;
}

ReapPlan plan_reaping(const Node& node, WallTime now, std::chrono::seconds guard) {
  const state::Store store(node.run_dir);
  // Records first: a sandbox that is made between the two looks is not among them.
  const auto attachments = store.list();
  const auto claims = store.claims();
  const std::string boot_id = state::current_boot_id();
  std::optional<LiveNetNs> live;  // looking at every process is only worth it for a netns that is not where it was
  const auto is_alive = [&](const state::Attachment& each) {
    if (is_at_its_path(each, boot_id)) return true;
    if (!live) live = LiveNetNs::scan();
    return live->is_alive(each, boot_id);
  };
  return plan_reaping(attachments, claims, is_alive, now, guard);
}

Reaped reap(const Node& node, const state::Attachment& attachment) {
  Reaped reaped{fmt::format("attachment {} ({})", attachment.id.text(), attachment.id.plugin), std::nullopt};
  const state::Store store(node.run_dir);
  try {
    if (!is_recorded(store, attachment)) return reaped;  // its own DEL came first
    call_in_child(node, attachment.id.plugin, attachment.del_environment(), attachment.config, kPluginTimeout);
    if (is_recorded(store, attachment)) reaped.error = "its plugin reported success and left the record";
  } catch (const Error& error) {
    reaped.error = describe(error);
  }
  return reaped;
}

Reaped reap(const Node& node, const state::Claim& claim) {
  Reaped reaped{fmt::format("claim on {}", claim.device), std::nullopt};
  try {
    state::Store store(node.run_dir);
    const auto lock = lock_device(node, store, claim.device);
    store.release_stale(claim);
  } catch (const Error& error) {
    reaped.error = describe(error);
  }
  return reaped;
}

std::vector<state::Attachment> GraceWatch::due(const ReapPlan& plan, WallTime now) {
  std::map<state::AttachmentId, WallTime> seen;
  std::vector<state::Attachment> result;
  for (const DeadAttachment& dead : plan.attachments) {
    const auto before = first_seen_.find(dead.attachment.id);
    const WallTime first = before == first_seen_.end() ? now : std::min(before->second, now);
    seen.emplace(dead.attachment.id, first);
    if (dead.ripe && now - first >= grace_) result.push_back(dead.attachment);
  }
  first_seen_ = std::move(seen);
  return result;
}

std::optional<WallTime> GraceWatch::next() const {
  std::optional<WallTime> earliest;
  for (const auto& [id, first] : first_seen_) {
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
