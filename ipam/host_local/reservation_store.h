// SPDX-License-Identifier: Apache-2.0
/// The reservations of one network on disk, in the layout and under the lock of the reference host-local plugin, so
/// that both can share a directory: one file per address, named after it, holding "<container ID>\r\n<interface>";
/// beside it `lock` (flock) and `last_reserved_ip.<range set>`. See docs/decisions/host-local-index.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/state/lock.h"
#include "ipam/host_local/reservation_index.h"

namespace barewire::ipam::host_local {

/// An attachment as reservations name it; the network is the directory.
struct Owner {
  std::string container_id;
  std::string ifname;
  /// What its reservations hold.
  std::string content() const { return container_id + "\r\n" + ifname; }
};

/// Open = locked. A reservation appears whole or not at all, whenever this process is killed.
class ReservationStore {
 public:
  /// Creates `directory` where it is missing. `index_directory` is for the index (a tmpfs); created too, if it can be.
  /// Throws Error{io}, {try_again} when the lock is held for too long.
  static ReservationStore open(const std::string& directory, const std::string& index_directory);
  /// nullopt when there is no such directory.
  static std::optional<ReservationStore> open_existing(const std::string& directory,
                                                       const std::string& index_directory);

  ReservationStore(ReservationStore&&) = default;
  ReservationStore& operator=(ReservationStore&&) = delete;
  ReservationStore(const ReservationStore&) = delete;
  ReservationStore& operator=(const ReservationStore&) = delete;
  ~ReservationStore();

  /// What `owner` holds; reservations of old versions, which name the container alone, count for each of its
  /// interfaces.
  std::vector<IpAddress> held_by(const Owner& owner);
  /// False when it is taken. Throws Error{io}.
  bool reserve(const IpAddress& address, const Owner& owner);
  /// Who a reservation is for, for messages; nullopt when there is none or it cannot be read.
  std::optional<Owner> holder(const IpAddress& address) const;
  /// True when there was something to release. Those of old versions go when there is no newer one.
  bool release(const Owner& owner);
  bool release(const IpAddress& address, const Owner& owner);
  /// Releases every reservation for which `keep` (of the trimmed content) is false; returns how many.
  std::size_t release_unless(const std::function<bool(std::string_view content)>& keep);
  /// All reserved addresses, in no order.
  std::vector<IpAddress> addresses() const { return index_->addresses(); }

  /// Where round robin goes on from; nullopt at the beginning, or when the file says nothing sensible.
  std::optional<IpAddress> last_reserved(std::size_t range_set) const;
  /// A hint only: failing to keep it is ignored (and logged).
  void set_last_reserved(std::size_t range_set, const IpAddress& address) const;

 private:
  ReservationStore(std::string directory, const std::string& index_directory, state::FileLock lock);
  std::string path_of(const IpAddress& address) const { return directory_ + "/" + address.text(); }
  /// Reads every file: what the index spares.
  std::vector<Reservation> scan() const;
  /// What scan() found; from then on the index holds just that.
  std::vector<Reservation> rebuild_index();
  /// What the index says, held against the files; nullopt when they say otherwise.
  std::optional<std::vector<IpAddress>> verified(const std::string& content) const;
  /// By the index where the files agree with it, else by all of the files.
  std::vector<IpAddress> holding(const std::string& content);
  /// File first, then the index: a kill in between leaves a seal that no longer fits.
  void remove(const IpAddress& address, const std::string& content);
  std::optional<Fd> open_hint(std::size_t range_set, int flags) const;
  /// A damaged index is dropped, and made anew by who needs it next.
  void change_index(const std::function<void()>& change);
  /// The last thing before the lock goes: the directory's time is final then.
  void seal_index() noexcept;

  std::string directory_;
  std::string index_path_;
  state::FileLock lock_;
  std::optional<ReservationIndex> index_;
  mutable Fd hint_;  ///< of the range set last asked for, where there is one
  mutable std::size_t hint_set_ = 0;
  mutable std::size_t hint_size_ = 0;
  Fd draft_;  ///< an unnamed file, whole, to be given its name
  std::string draft_content_;
  bool consistent_ = false;  ///< the index says what the directory holds
  bool changed_ = false;
};

}  // namespace barewire::ipam::host_local
