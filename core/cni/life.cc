// SPDX-License-Identifier: Apache-2.0
// Who is dead, and what is done about it. A netns counts as dead when no path, process or mount leads to it and
// everything could be looked at; a path that leads nowhere says little by itself, since runtimes remove it before they
// call DEL.
#include "core/cni/life.h"

#include <algorithm>

#include "core/cni/delegate.h"
#include "core/log.h"
#include "core/rollback.h"

namespace barewire {

namespace {

bool is_known_to_be_of_another_boot(const state::Attachment& attachment, const std::string& boot_id) {
  return !attachment.boot_id.empty() && !boot_id.empty() && attachment.boot_id != boot_id;
}

/// What is at the record's path: yes, no, or that it cannot be looked at.
Look is_at_its_path(const state::Attachment& attachment) {
  // Relative to a working directory that nobody knows any more; the census finds what it led to.
  if (!attachment.netns.starts_with('/')) return Look::no();
  try {
    const auto netns = kernel::NetNs::try_open(attachment.netns);
    return Look::of(netns && (!attachment.netns_id || netns->id() == *attachment.netns_id));
  } catch (const Error& error) {
    return Look::unknown(error.what());
  }
}

/// Those that could be of this network and plugin; a directory that cannot be listed could hold some.
void require_readable(const state::Store::Unreadable& unreadable, const std::string& network, std::string_view plugin) {
  std::string names;
  for (const auto& [path, error] : unreadable) {
    if (path.ends_with(".json") && !path.ends_with(fmt::format(".{}.json", plugin))) continue;
    names += fmt::format("{}{} ({})", names.empty() ? "" : "; ", path, error);
  }
  if (!names.empty())
    throw Error(Error::Code::state,
                fmt::format("collecting the attachments of network {} was not complete: what could not be read was "
                            "left alone",
                            network),
                names);
}

}  // namespace

bool is_of_this_boot(const state::Attachment& attachment) {
  if (!is_known_to_be_of_another_boot(attachment, current_boot_id())) return true;
  // A container's boot_id may be another than the node's: where its netns is still there, it cannot be of another boot.
  return attachment.netns_id && is_at_its_path(attachment).is_yes();
}

Look LifeSigns::is_dead(const state::Attachment& attachment) {
  const Look at_path = is_at_its_path(attachment);
  const bool other_boot = is_known_to_be_of_another_boot(attachment, boot_id_);
  const Look anywhere = at_path.is_yes() ? Look::yes() : is_anywhere(attachment, at_path.why());
  if (anywhere.is_yes() && other_boot)
    return Look::unknown(
        fmt::format("{} is there, though it was made in another boot, {}", attachment.netns, attachment.boot_id));
  if (anywhere.is_yes()) return Look::no();
  // Without it a record of an earlier boot looks like one of today.
  if (boot_id_.empty()) return Look::unknown("the node's boot_id cannot be read");
  if (anywhere.is_unknown()) return anywhere;
  if (!attachment.netns_id && !other_boot) return Look::unknown("its record does not say which netns it was");
  return Look::yes();
}

Look LifeSigns::is_anywhere(const state::Attachment& attachment, const std::string& why_not_at_path) {
  if (!attachment.netns_id) return why_not_at_path.empty() ? Look::no() : Look::unknown(why_not_at_path);
  try {
    // Taken once for many attachments, and only when one is not at its path: it looks at every process.
    if (!census_) census_ = vf::NetNsCensus::take(proc_);
    const Look found = census_->find(*attachment.netns_id).exists();
    return found.is_no() && !why_not_at_path.empty() ? Look::unknown(why_not_at_path) : found;
  } catch (const Error& error) {
    return Look::unknown(error.what());
  }
}

Look is_dead(const state::Attachment& attachment) {
  return LifeSigns().is_dead(attachment);
}

Look is_leftover(const state::Attachment& attachment) {
  return attachment.data.contains("result") ? is_dead(attachment) : Look::yes();
}

void clear_leftover(const state::Store& store, const state::AttachmentId& id,
                    const std::function<void(const state::Attachment&)>& undo) {
  const auto existing = store.find(id);
  if (!existing) return;
  const Look leftover = is_leftover(*existing);
  if (!leftover.is_yes())
    throw Error(Error::Code::held, fmt::format("attachment {} exists since {}", existing->text(), existing->since),
                leftover.is_no() ? "DEL it before it is ADDed again"
                                 : fmt::format("DEL it before it is ADDed again; whether its pod is dead cannot be "
                                               "told: {}",
                                               leftover.why()));
  log_warning("undoing what an earlier ADD of attachment {} has left", id.text());
  undo(*existing);
}

cni::Environment environment_for(const state::Attachment& attachment, const std::string& cni_path,
                                 cni::Command command) {
  cni::Environment environment = attachment.del_environment();
  environment.command = cni::name_of(command);
  if (!cni_path.empty() && cni_path != environment.path)
    // Today's path first: plugins may have been moved since ADD.
    environment.path = environment.path.empty() ? cni_path : cni_path + ":" + environment.path;
  return environment;
}

void release_addresses(const state::Attachment& attachment, const std::string& cni_path, Node& node) {
  cni::ipam_del(attachment.ipam_type, environment_for(attachment, cni_path, cni::Command::del), attachment.config,
                node);
}

void undo_if_dead(const state::AttachmentId& holder, const state::Store& store, std::string_view plugin,
                  const std::function<void(const state::Attachment&)>& undo) {
  if (holder.plugin != plugin) return;
  const auto seen = store.find(holder);
  if (!seen) return;
  const Look dead = is_dead(*seen);
  if (dead.is_unknown())
    log_warning("leaving attachment {} alone: whether its pod is dead cannot be told: {}", holder.text(), dead.why());
  if (!dead.is_yes()) return;
  const state::FileLock lock = store.lock_attachment(holder);
  const auto existing = store.find(holder);
  // Asked again under the lock: between the two looks its own DEL may have come, or an ADD.
  if (!existing || !is_leftover(*existing).is_yes()) return;
  log_warning("the netns of attachment {} is gone and nobody has called DEL; undoing it", holder.text());
  undo(*existing);
}

std::optional<kernel::NetNs> find_unclaimed_netns(const cni::Request& request, const state::Store& store,
                                                  const std::string& link) {
  auto netns = kernel::NetNs::try_open(request.netns);
  if (!netns) return std::nullopt;
  const auto other = store.find_other(state::attachment_id(request, ""), netns->id(), link);
  if (!other) return netns;
  log_warning("leaving {} of {} alone, since nothing is on record for {}/{} and it is of {}",
              link.empty() ? "everything" : link, request.netns, request.container_id, request.ifname, *other);
  return std::nullopt;
}

void collect_unlisted(const cni::Request& request, const state::Store& store, std::string_view plugin,
                      const std::function<void(const state::Attachment&)>& undo) {
  if (!request.conf.has_valid_attachments) return;
  const auto& valid = request.conf.valid_attachments;
  Collector collector;
  state::Store::Unreadable unreadable;
  for (const state::Attachment& seen : store.list(request.conf.name, &unreadable)) {
    const cni::ValidAttachment own{seen.id.container_id, seen.id.ifname};
    if (seen.id.plugin != plugin || std::find(valid.begin(), valid.end(), own) != valid.end()) continue;
    collector.run("undoing attachment " + seen.id.text(), [&] {
      const state::FileLock lock = store.lock_attachment(seen.id);
      // Read again under the lock: its own DEL may have come since the list was made.
      if (const auto attachment = store.find(seen.id)) undo(*attachment);
    });
  }
  // Last, so that all that can be collected is: but GC must not report success over a record it could not read.
  collector.run("reading every record", [&] { require_readable(unreadable, request.conf.name, plugin); });
  collector.finish();
}

}  // namespace barewire
