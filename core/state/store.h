// SPDX-License-Identifier: Apache-2.0
/// The records on disk: attachments, and which attachment holds which device. Layout under Node::run_dir:
///   attachments/<network>/<container>@<ifname>.<plugin>.json   one record, replaced atomically
///   devices/<device>  → symlink to the record of the attachment that holds it; made atomically, so it is the claim
///   locks/<name>      flock files
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

class Store {
 public:
  explicit Store(std::string root) : root_(std::move(root)) {}

  /// Throws Error{state} when the record is there but unreadable: that never means "nothing to do".
  std::optional<Attachment> find(const AttachmentId& id) const;
  void save(const Attachment& attachment);
  /// Harmless when there is none.
  void remove(const AttachmentId& id);
  /// Every readable record, sorted by id; an unreadable one is passed to `unreadable` (path, error) when given.
  std::vector<Attachment> list(std::vector<std::pair<std::string, std::string>>* unreadable = nullptr) const;
  std::vector<Attachment> list(const std::string& network) const;

  /// Makes `id` the holder of `device` (a PCI address or netdev name). False when another attachment holds it; true
  /// also when `id` held it already. A claim whose record is gone (its ADD died before writing it) is taken over.
  bool claim(const std::string& device, const AttachmentId& id);
  /// Only a claim held by `id` is released; another's stays.
  void release(const std::string& device, const AttachmentId& id);
  std::optional<AttachmentId> holder(const std::string& device) const;
  /// Every claim, sorted by device. Reads no record.
  std::vector<Claim> claims() const;
  /// Removes `claim` if it is still there and still has no record; true when it did. Callers hold the device's lock.
  bool release_stale(const Claim& claim);

  /// Lock files live here: "pf-0000:01:00.0", "attachment-<id>".
  FileLock lock(const std::string& name, const std::string& what, std::chrono::milliseconds timeout = kLockTimeout,
                FileLock::File file = FileLock::File::stays) const;
  /// One plugin's work on one attachment at a time; taken first, before a device's lock.
  FileLock lock_attachment(const AttachmentId& id) const;
  std::string path_of(const AttachmentId& id) const;
  const std::string& root() const noexcept { return root_; }

 private:
  std::string root_;
};

}  // namespace barewire::state
