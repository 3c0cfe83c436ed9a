// SPDX-License-Identifier: Apache-2.0
/// Which owner holds which address of one reservation directory, as a hash table in a memory-mapped file: what spares
/// reservation_store.h reading every reservation. It is a cache: lost, it is made anew from the directory.
/// docs/decisions/host-local-index.md says why it may be trusted.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ip.h"

namespace barewire::ipam::host_local {

/// A directory and the moment of its last change: equal seals mean that no entry came or went in between.
struct Seal {
  std::uint64_t device = 0, inode = 0;
  std::int64_t seconds = 0, nanoseconds = 0;
  /// From what stat(2) told; asks nothing by itself.
  static Seal of(const struct stat& directory);
  friend bool operator==(const Seal&, const Seal&) = default;
};

/// One reservation: the address, and the trimmed content of its file.
struct Reservation {
  IpAddress address;
  std::string content;
};

/// Thrown where the index contradicts itself; it is to be made anew.
struct DamagedIndex {};

/// Changed only under the directory's lock. What looks into the table throws DamagedIndex.
class ReservationIndex {
 public:
  /// The index at `path` if it was made for exactly `seal`; nullopt when absent, of another state, or damaged.
  static std::optional<ReservationIndex> open(const std::string& path, const Seal& seal);
  bool is_open() const noexcept { return memory_ != nullptr; }  ///< false once it has been moved from
  /// A new one, unsealed, over whatever is at `path`. Where no file can be made (its directory is missing, the disk is
  /// full) it lives in memory alone and is gone afterwards.
  static ReservationIndex build(const std::string& path, const std::vector<Reservation>& reservations);

  ReservationIndex(ReservationIndex&& other) noexcept;
  ReservationIndex& operator=(ReservationIndex&& other) noexcept;
  ReservationIndex(const ReservationIndex&) = delete;
  ReservationIndex& operator=(const ReservationIndex&) = delete;
  ~ReservationIndex();

  /// Addresses whose file had this content; owners are kept as 64-bit hashes, so the file has the last word.
  std::vector<IpAddress> find(std::string_view content) const;
  /// Every address.
  std::vector<IpAddress> addresses() const;
  /// Makes the table anew, twice as large, when it gets crowded.
  void add(const IpAddress& address, std::string_view content);
  /// Harmless for what is not in it.
  void remove(const IpAddress& address, std::string_view content);
  std::size_t size() const noexcept;
  /// From now on it stands for the directory in that state.
  void seal(const Seal& seal) noexcept;

 private:
  /// Layout of the file: reservation_index.cc.
  struct Header;
  struct Slot;
  ReservationIndex(std::string path, void* memory, std::size_t bytes) noexcept
      : path_(std::move(path)), memory_(memory), bytes_(bytes) {}
  /// Empty, of `capacity` slots, a power of two. Throws std::bad_alloc.
  static ReservationIndex create(const std::string& path, std::size_t capacity);

  Header& header() const noexcept;
  Slot* slots() const noexcept;
  /// Where a search for that owner begins; open addressing with linear probing.
  std::size_t home_of(std::uint64_t owner) const noexcept;
  template <typename Wanted>
  /// A slot's number; throws DamagedIndex when the table has neither the wanted nor a free one.
  std::size_t probe(std::uint64_t owner, const Wanted& wanted) const;
  /// Into a table with room: add() sees to that.
  void insert(const Slot& slot);
  /// Moves up what follows, so that no search ends too early.
  void erase(std::size_t at);
  void grow();

  std::string path_;  ///< where a bigger one is made
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;  ///< of the mapping, header included
};

}  // namespace barewire::ipam::host_local
