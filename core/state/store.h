// SPDX-License-Identifier: Apache-2.0
/// The records on disk: attachments, and which attachment holds which device. Every plugin that changes the node goes
/// through it, and so do the daemon and the admin's commands. Layout under Node::run_dir, gone with the boot as what it
/// describes:
/// attachments/<network>/<container>@<ifname>.<plugin>.json: one record, replaced atomically (long names: file_name.h).
/// devices/<device>: a symlink to the record of the attachment that holds it. It is made atomically, so it is the
/// claim.
/// locks/<name>: flock files.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/state/attachment.h"
#include "core/state/lock.h"

namespace barewire::state {

/// A device and the record that its claim points to.
struct Claim {
  std::string device;
  std::string record;       ///< path, as Store::path_of
  bool has_record = false;  ///< false: its ADD died before writing it, or its record was removed by hand
  std::chrono::system_clock::time_point since;
};

/// One store of one directory. Keeps nothing in memory: each call reads the disk afresh, so any number of processes,
/// and threads, may have one. What has to follow in order is the caller's to lock.
class Store {
 public:
  explicit Store(std::string root) : root_(std::move(root)) {}

  /// Throws Error{state} when the record is there but unreadable: that never means "nothing to do".
  std::optional<Attachment> find(const AttachmentId& id) const;
  /// For who would touch by name what no record of `id` tells of: another attachment that has the link `link` in the
  /// netns, for messages; with an empty `link`, another container that has anything there. Records of the chain that
  /// `id` belongs to are its own. Also answers when a record is damaged: it may be that one. Throws Error{io} for one
  /// whose reading fails, which may pass: who goes by "nobody" or "somebody" then would never come back.
  std::optional<std::string> find_other(const AttachmentId& id, const kernel::NetNsId& netns,
                                        std::string_view link) const;
  /// Throws Error{state} before it touches anything when the record would not be text that can be read again.
  void save(const Attachment& attachment);
  /// Harmless when there is none.
  void remove(const AttachmentId& id);
  /// Path of a record, or of a directory of records, and why it cannot be read.
  using Unreadable = std::vector<std::pair<std::string, std::string>>;
  /// Every readable record, sorted by id; what cannot be read is passed to `unreadable` when given. Whoever decides by
  /// what is not on record has to ask for it: the list alone does not tell. Throws Error{io} when nothing can be
  /// listed.
  std::vector<Attachment> list(Unreadable* unreadable = nullptr) const;
  /// Of one network.
  std::vector<Attachment> list(const std::string& network, Unreadable* unreadable) const;

  /// Makes `id` the holder of `device` (a PCI address or netdev name). False when another attachment holds it; true
  /// also when `id` held it already. A claim whose record is gone (its ADD died before writing it) is taken over.
  /// Claims change under one lock, so that nobody takes over what has just become another's.
  bool claim(const std::string& device, const AttachmentId& id);
  /// Only a claim held by `id` is released; another's stays.
  void release(const std::string& device, const AttachmentId& id);
  /// Who has claimed `device`; nullopt when nobody has, or its record is gone. Throws Error{state} for a record that
  /// cannot be read.
  std::optional<AttachmentId> holder(const std::string& device) const;
  /// The same, with all of its record.
  std::optional<Attachment> holding(const std::string& device) const;
  /// Every claim, sorted by device. Reads no record.
  std::vector<Claim> claims() const;
  /// Removes `claim` if it is still there and still has no record; true when it did.
  bool release_stale(const Claim& claim);

  /// `name` is one of lock_names.h.
  FileLock lock(const std::string& name, const std::string& what, std::chrono::milliseconds timeout = kLockTimeout,
                FileLock::File file = FileLock::File::stays) const;
  /// Of a device by its PCI address, or by its claim's name: the same one for all plugins. A VF has its PF's, found by
  /// the caller. Throws Error{try_again}.
  FileLock lock_device(const std::string& address) const;
  /// One plugin's work on one attachment at a time; taken first, before a device's lock.
  FileLock lock_attachment(const AttachmentId& id) const;
  std::string path_of(const AttachmentId& id) const;
  const std::string& root() const noexcept { return root_; }

 private:
  void list_into(std::vector<Attachment>& found, const std::string& network, Unreadable* unreadable) const;
  FileLock lock_claims() const;

  std::string root_;
};

}  // namespace barewire::state
