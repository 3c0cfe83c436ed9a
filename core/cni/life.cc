// SPDX-License-Identifier: Apache-2.0
#include "core/cni/life.h"

#include <algorithm>

#include "core/cni/delegate.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/vf/netns_search.h"

namespace barewire {

bool is_of_this_boot(const state::Attachment& attachment) {
  return attachment.boot_id == state::current_boot_id();
}

bool is_dead(const state::Attachment& attachment) {
  return !is_of_this_boot(attachment) || !vf::find_netns({attachment.netns, attachment.netns_id});
}

bool is_leftover(const state::Attachment& attachment) {
  return !attachment.data.contains("result") || is_dead(attachment);
}

void clear_leftover(const state::Store& store, const state::AttachmentId& id,
                    const std::function<void(const state::Attachment&)>& undo) {
  const auto existing = store.find(id);
  if (!existing) return;
  if (!is_leftover(*existing))
    throw Error(Error::Code::held, fmt::format("attachment {} exists since {}", id.text(), existing->since),
                "DEL it before it is ADDed again");
  log_warning("undoing what an earlier ADD of attachment {} has left", id.text());
  undo(*existing);
}

cni::Environment environment_for(const state::Attachment& attachment, const std::string& cni_path,
                                 cni::Command command) {
  cni::Environment environment = attachment.del_environment();
  environment.command = cni::name_of(command);
  if (!cni_path.empty() && cni_path != environment.path)
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
  if (!seen || !is_dead(*seen)) return;
  const state::FileLock lock = store.lock_attachment(holder);
  const auto existing = store.find(holder);
  if (!existing || !is_leftover(*existing)) return;
  log_warning("the netns of attachment {} is gone and nobody has called DEL; undoing it", holder.text());
  undo(*existing);
}

void collect_unlisted(const cni::Request& request, const state::Store& store, std::string_view plugin,
                      const std::function<void(const state::Attachment&)>& undo) {
  if (!request.conf.has_valid_attachments) return;
  const auto& valid = request.conf.valid_attachments;
  Collector collector;
  for (const state::Attachment& seen : store.list(request.conf.name)) {
    const cni::ValidAttachment own{seen.id.container_id, seen.id.ifname};
    if (seen.id.plugin != plugin || std::find(valid.begin(), valid.end(), own) != valid.end()) continue;
    collector.run("undoing attachment " + seen.id.text(), [&] {
      const state::FileLock lock = store.lock_attachment(seen.id);
      if (const auto attachment = store.find(seen.id)) undo(*attachment);
    });
  }
  collector.finish();
}

}  // namespace barewire
