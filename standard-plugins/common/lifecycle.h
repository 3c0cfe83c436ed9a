// SPDX-License-Identifier: Apache-2.0
/// What the standard plugins' ADD, DEL and GC have in common: the record written before the first change, and one undo
/// function per plugin that rollback, DEL and GC all call.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/cni/plugin.h"
#include "core/kernel/netns.h"
#include "core/state/file_name.h"
#include "core/state/store.h"

namespace barewire::standard {

/// Takes back everything an attachment's record says; harmless for what never happened or is already gone. Throws the
/// first failure after having tried every part.
using Undo = void (*)(const state::Attachment& attachment, Node& node);

state::Store store_of(const Node& node);

/// What ADD makes. It saves `attachment` with what it is about to do before it does it.
using Make = std::function<cni::Result(state::Attachment& attachment)>;

/// ADD: takes the attachment's lock, undoes what an earlier ADD of it left, and calls `make` with a new record. Where
/// that fails, undoes what is on record by then. Throws Error{held} when it has been added already, and what `make`
/// throws.
cni::Result add_attachment(const cni::Request& request, Node& node, std::string_view plugin, Undo undo,
                           const Make& make);

/// Last step of ADD: the record keeps the result, which CHECK needs when an admin asks for it.
void conclude_attachment(state::Attachment& attachment, const cni::Result& result, const Node& node);

/// A failed ADD's rollback: undoes what its record says by now; nothing without a record.
void undo_recorded(const cni::Request& request, Node& node, std::string_view plugin, Undo undo);

/// The record CHECK compares with; nullopt for pods that another suite's plugin added.
std::optional<state::Attachment> find_record(const cni::Request& request, const Node& node, std::string_view plugin);

/// Runs `undo`, then removes the record: only if all was undone.
void undo_attachment(const state::Attachment& attachment, Node& node, Undo undo);

/// DEL. Without a record (a second DEL, or a pod that another suite's plugin made) `undo` runs on what the request
/// tells.
void delete_attachment(const cni::Request& request, Node& node, std::string_view plugin, Undo undo);

/// GC: undoes every attachment of this network and plugin that the runtime does not list. Nothing happens without the
/// list; an empty list is meaningful. All are tried; throws the first failure.
void collect_unlisted(const cni::Request& request, Node& node, std::string_view plugin, Undo undo);

/// GC of a plugin that has addresses of its own: collect_unlisted, then IPAM's GC. Both are tried; throws the first
/// failure.
void collect_with_addresses(const cni::Request& request, Node& node, std::string_view plugin, Undo undo);

/// `undo` for an attachment without a record, where the request alone tells what to remove: a request that says nothing
/// sensible was never added, so that Error{config} is logged and nothing more. Throws what else `undo` throws.
void undo_unrecorded(const state::Attachment& attachment, Node& node, Undo undo);

/// The netns the attachment was made in, for what undoes it: by its path, and where that is gone or leads to another
/// one by now through a process that is still in it, or another mount of it. nullopt when it is dead.
std::optional<kernel::NetNs> netns_of(const state::Attachment& attachment);

/// Whether its path still leads to the netns the attachment was made in.
bool has_netns(const state::Attachment& attachment);

/// IPAM's ADD. One that refuses has had its DEL as well and holds nothing: the record forgets it, so that an IPAM which
/// never works is not asked at each DEL for ever. Empty without IPAM. Throws as cni::ipam_add.
cni::Result take_addresses(const cni::Request& request, state::Attachment& attachment, Node& node);

/// IPAM's DEL as ADD called it. Does nothing without IPAM.
void release_addresses(const state::Attachment& attachment, Node& node);

/// "mynet/pod1/eth0" as a comment on kernel objects, shortened where it would be too long for one.
std::string owner_text(const state::AttachmentId& id);

/// The prevResult a chained plugin and CHECK need. Throws Error{config}.
const cni::Result& require_previous(const cni::Request& request);

using state::hash_name;

}  // namespace barewire::standard
