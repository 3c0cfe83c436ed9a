// SPDX-License-Identifier: Apache-2.0
// One order for all: lock, leftovers, record, change, conclude. A plugin that keeps to it can be killed anywhere.
#include "standard-plugins/common/lifecycle.h"

#include "core/cni/delegate.h"
#include "core/cni/life.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/vf/netns_search.h"

namespace barewire::standard {

namespace {

/// What a request tells of an attachment that has no record. Of the pod it tells nothing when the records say that the
/// interface is another's: an ADD that was refused for that, or a path that another pod has by now.
state::Attachment attachment_without_record(const cni::Request& request, const Node& node, std::string_view plugin) {
  state::Attachment attachment;
  attachment.id = state::attachment_id(request, plugin);
  attachment.netns = request.netns;
  if (const auto netns = find_unclaimed_netns(request, store_of(node), request.ifname))
    attachment.netns_id = netns->id();
  attachment.netns_override = request.environment.netns_override;
  attachment.cni_args = request.environment.args;
  attachment.cni_path = request.environment.path;
  attachment.ipam_type = request.conf.ipam_type;
  attachment.config = request.stdin_bytes;
  return attachment;
}

/// The record as it is for this call, whose CNI_PATH leads to the plugins of today; ADD's may be gone.
state::Attachment called_by(const cni::Request& request, state::Attachment attachment) {
  if (attachment.netns_override.empty()) attachment.netns_override = request.environment.netns_override;
  attachment.cni_path = environment_for(attachment, request.environment.path, cni::Command::del).path;
  return attachment;
}

[[nodiscard]] state::FileLock begin_attachment(const cni::Request& request, Node& node, std::string_view plugin,
                                               Undo undo) {
  const state::Store store = store_of(node);
  const state::AttachmentId id = state::attachment_id(request, plugin);
  state::FileLock lock = store.lock_attachment(id);
  clear_leftover(store, id,
                 [&](const state::Attachment& earlier) { undo_attachment(called_by(request, earlier), node, undo); });
  return lock;
}

}  // namespace

state::Store store_of(const Node& node) {
  return state::Store(node.run_dir);
}

cni::Result add_attachment(const cni::Request& request, Node& node, std::string_view plugin, Undo undo,
                           const Make& make) {
  const state::FileLock lock = begin_attachment(request, node, plugin, undo);
  Rollback rollback;
  // By what the record says at that moment, not by what was planned: `make` writes it before each change.
  rollback.add("attachment", [&] { undo_recorded(request, node, plugin, undo); });
  state::Attachment attachment = state::make_attachment(request, plugin);
  cni::Result result = make(attachment);
  conclude_attachment(attachment, result, node);
  rollback.keep();
  return result;
}

void conclude_attachment(state::Attachment& attachment, const cni::Result& result, const Node& node) {
  attachment.data["result"] = result.to_json(cni::kLatestVersion);
  store_of(node).save(attachment);
}

void undo_recorded(const cni::Request& request, Node& node, std::string_view plugin, Undo undo) {
  const auto record = store_of(node).find(state::attachment_id(request, plugin));
  if (record) undo_attachment(called_by(request, *record), node, undo);
}

std::optional<state::Attachment> find_record(const cni::Request& request, const Node& node, std::string_view plugin) {
  return store_of(node).find(state::attachment_id(request, plugin));
}

void undo_attachment(const state::Attachment& attachment, Node& node, Undo undo) {
  undo(attachment, node);
  store_of(node).remove(attachment.id);
}

void delete_attachment(const cni::Request& request, Node& node, std::string_view plugin, Undo undo) {
  state::Store store = store_of(node);
  const state::AttachmentId id = state::attachment_id(request, plugin);
  const state::FileLock lock = store.lock_attachment(id);
  if (const auto record = store.find(id)) return undo_attachment(called_by(request, *record), node, undo);
  undo_unrecorded(attachment_without_record(request, node, plugin), node, undo);
}

void collect_unlisted(const cni::Request& request, Node& node, std::string_view plugin, Undo undo) {
  barewire::collect_unlisted(request, store_of(node), plugin, [&](const state::Attachment& attachment) {
    undo_attachment(called_by(request, attachment), node, undo);
  });
}

void collect_with_addresses(const cni::Request& request, Node& node, std::string_view plugin, Undo undo) {
  Collector collector;
  collector.run("attachments", [&] { collect_unlisted(request, node, plugin, undo); });
  collector.run("addresses", [&] { cni::ipam_gc(request, node); });
  collector.finish();
}

void undo_unrecorded(const state::Attachment& attachment, Node& node, Undo undo) {
  try {
    undo(attachment, node);
  } catch (const Error& error) {
    // A configuration that ADD would refuse never made anything.
    if (!error.is(Error::Code::config)) throw;
    log_warning("ignoring, since there is no record either: {}", error.what());
  }
}

std::optional<kernel::NetNs> netns_of(const state::Attachment& attachment) {
  if (!attachment.netns_id) return std::nullopt;
  return vf::find_netns({attachment.netns, attachment.netns_id});
}

bool has_netns(const state::Attachment& attachment) {
  const auto netns = kernel::NetNs::try_open(attachment.netns);
  return netns && attachment.netns_id && netns->id() == *attachment.netns_id;
}

cni::Result take_addresses(const cni::Request& request, state::Attachment& attachment, Node& node) {
  try {
    return cni::ipam_add(request, node);
  } catch (const Error&) {
    // What it took it has released: the record must not send a rollback or a later DEL to the IPAM plugin once more.
    attachment.ipam_type.clear();
    store_of(node).save(attachment);
    throw;
  }
}

void release_addresses(const state::Attachment& attachment, Node& node) {
  cni::ipam_del(attachment.ipam_type, attachment.del_environment(), attachment.config, node);
}

std::string owner_text(const state::AttachmentId& id) {
  constexpr std::size_t kLongest =
      253;  // user data of nftables has 256 bytes, of which three are type, length and zero
  return state::shorten(id.text(), kLongest);
}

const cni::Result& require_previous(const cni::Request& request) {
  if (!request.conf.previous)
    throw Error(Error::Code::config, "required prevResult missing",
                "a chained plugin, and CHECK of any plugin, get the result of ADD as \"prevResult\" from the runtime");
  return *request.conf.previous;
}

}  // namespace barewire::standard
