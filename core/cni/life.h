// SPDX-License-Identifier: Apache-2.0
/// Whether an attachment on record is still somebody's, and telling its IPAM plugin when it is not: shared by the
/// plugins that keep records. Works on state/ and delegate.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/boot_id.h"
#include "core/cni/request.h"
#include "core/kernel/netns.h"
#include "core/look.h"
#include "core/node.h"
#include "core/state/attachment.h"
#include "core/state/store.h"
#include "core/vf/netns_search.h"

namespace barewire {

/// The kernel's objects died with the boot that made them. False only when both boots are known and differ and the
/// record's netns is not at its path: a container may show a boot_id of its own.
bool is_of_this_boot(const state::Attachment& attachment);

/// Tells which attachments are dead: the one definition, for ADD, GC, the reaper and the admin's commands. Dead is one
/// whose netns is certain to be gone: not at its path, no process or thread in it, no mount leading to it in any mount
/// namespace. Cannot tell: something of that may not be looked at (no CAP_SYS_PTRACE, an error), the record does not
/// say which netns it was, the boot cannot be known, or boot and netns contradict each other.
class LifeSigns {
 public:
  explicit LifeSigns(std::string proc = "/proc", std::string boot_id = current_boot_id())
      : proc_(std::move(proc)), boot_id_(std::move(boot_id)) {}
  /// Looks at the processes at most once, when the first attachment is not at its path.
  Look is_dead(const state::Attachment& attachment);

 private:
  Look is_anywhere(const state::Attachment& attachment, const std::string& why_not_at_path);

  std::string proc_;
  std::string boot_id_;
  std::optional<vf::NetNsCensus> census_;
};

/// By LifeSigns taken now: for one attachment. Who asks for many keeps one LifeSigns.
Look is_dead(const state::Attachment& attachment);
/// Dead, or its ADD did not live to the end. Call with the attachment's lock held: without it, ADD may be at work.
Look is_leftover(const state::Attachment& attachment);

/// ADD's first step, with the attachment's lock held: an earlier ADD of it that did not live to its end, or whose pod
/// is dead, is undone with `undo`. Throws Error{held} for one that did, and where that cannot be told.
void clear_leftover(const state::Store& store, const state::AttachmentId& id,
                    const std::function<void(const state::Attachment&)>& undo);

/// For calling a plugin on the attachment's behalf, as ADD called it: plugins are looked for in `cni_path` first, then
/// where ADD found them.
cni::Environment environment_for(const state::Attachment& attachment, const std::string& cni_path,
                                 cni::Command command);

/// IPAM DEL with what ADD had; nothing without an IPAM plugin. Throws that plugin's Error.
void release_addresses(const state::Attachment& attachment, const std::string& cni_path, Node& node);

/// `undo` for attachment `holder` of `plugin` when its pod is dead and nobody has called DEL: it must not keep what it
/// holds from the next one. Under its lock, as it is on record by then.
void undo_if_dead(const state::AttachmentId& holder, const state::Store& store, std::string_view plugin,
                  const std::function<void(const state::Attachment&)>& undo);

/// DEL's part where nothing is on record for `request`: its netns, unless the records say that link `link` of it
/// (empty: anything in it) is another attachment's (another pod's). That is so after an ADD that was refused for it,
/// and where the path is another pod's by now; it is logged. nullopt also when the path leads to no netns.
std::optional<kernel::NetNs> find_unclaimed_netns(const cni::Request& request, const state::Store& store,
                                                  const std::string& link);

/// GC's part: `undo` for every attachment of the request's network and of `plugin` that the runtime does not list, each
/// under its lock and as it is on record by then: it may have been DELeted, or ADDed anew, since the records were
/// listed. Nothing without the list; an empty list is meaningful. All are tried; throws the first failure, at the end
/// also Error{state} naming the records of this network and plugin that could not be read.
void collect_unlisted(const cni::Request& request, const state::Store& store, std::string_view plugin,
                      const std::function<void(const state::Attachment&)>& undo);

}  // namespace barewire
