// SPDX-License-Identifier: Apache-2.0
// A cache: everything in it can be made from the directory, and it counts only with the seal of the directory's present
// state.
#include "ipam/host_local/reservation_index.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "core/fd.h"
#include "core/text.h"

namespace barewire::ipam::host_local {

namespace {

constexpr char kMagic[8] = {'b', 'w', 'h', 'l', 'i', 'x', '0', '1'};
// Slots: a node's usual hundred pods never make it grow.
constexpr std::size_t kSmallest = 512;
constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/// A quarter stays free, so that probing is short and always ends.
constexpr bool is_crowded(std::size_t used, std::size_t capacity) {
  return 4 * used > 3 * capacity;
}

/// The file is shared by builds of this program. Never 0, which marks a free slot.
std::uint64_t hash_of(std::string_view text) noexcept {
  const std::uint64_t hash = fnv1a(text);
  return hash == 0 ? 1 : hash;
}

/// A file of zeros in the place of `path`, mapped; MAP_FAILED when it cannot be made. It has no name until it is whole,
/// so that a kill leaves nothing. posix_fallocate, because writing to a mapped page that the file system has no room
/// for is SIGBUS. Source: open(2) O_TMPFILE, tmpfs(5).
void* map_new_file(const std::string& path, std::size_t bytes) noexcept {
  const std::string directory = path.substr(0, path.rfind('/'));
  const Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd || ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)) != 0) return MAP_FAILED;
  ::unlink(path.c_str());
  const std::string name = fmt::format("/proc/self/fd/{}", fd.get());
  if (::linkat(AT_FDCWD, name.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) return MAP_FAILED;
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
}

}  // namespace

struct ReservationIndex::Header {
  char magic[8];
  std::uint64_t capacity;  ///< slots, a power of two
  std::uint64_t used;
  Seal seal;
};

struct ReservationIndex::Slot {
  std::uint64_t owner;     ///< hash of the content; 0 = free
  std::uint8_t bytes[16];  ///< an IPv4 address as ::ffff:a.b.c.d
  IpAddress address() const {
    const bool v4 = std::equal(std::begin(kMappedPrefix), std::end(kMappedPrefix), bytes);
    return v4 ? IpAddress::from_bytes(bytes + sizeof kMappedPrefix, 4) : IpAddress::from_bytes(bytes, sizeof bytes);
  }
};

Seal Seal::of(const struct stat& directory) {
  return {directory.st_dev, directory.st_ino, directory.st_mtim.tv_sec, directory.st_mtim.tv_nsec};
}

ReservationIndex::ReservationIndex(ReservationIndex&& other) noexcept
    : path_(std::move(other.path_)), memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}

ReservationIndex& ReservationIndex::operator=(ReservationIndex&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

ReservationIndex::~ReservationIndex() {
  // The file stays: it is the cache of the next call.
  if (memory_ != nullptr) ::munmap(memory_, bytes_);
}

ReservationIndex::Header& ReservationIndex::header() const noexcept {
  return *static_cast<Header*>(memory_);
}

ReservationIndex::Slot* ReservationIndex::slots() const noexcept {
  return reinterpret_cast<Slot*>(static_cast<char*>(memory_) + sizeof(Header));
}

std::optional<ReservationIndex> ReservationIndex::open(const std::string& path, const Seal& seal) {
  const Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || static_cast<std::size_t>(status.st_size) < sizeof(Header))
    return std::nullopt;
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return std::nullopt;
  ReservationIndex index(path, memory, bytes);
  const Header& header = index.header();
  const bool whole = std::memcmp(header.magic, kMagic, sizeof kMagic) == 0 && std::has_single_bit(header.capacity) &&
                     header.capacity <= bytes / sizeof(Slot) &&
                     bytes == sizeof(Header) + header.capacity * sizeof(Slot) &&
                     !is_crowded(header.used, header.capacity);
  // In any doubt it is made anew from the files.
  if (!whole || header.seal != seal) return std::nullopt;
  return index;
}

ReservationIndex ReservationIndex::create(const std::string& path, std::size_t capacity) {
  const std::size_t bytes = sizeof(Header) + capacity * sizeof(Slot);
  void* memory = map_new_file(path, bytes);
  if (memory == MAP_FAILED) memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  ReservationIndex index(path, memory, bytes);
  std::memcpy(index.header().magic, kMagic, sizeof kMagic);
  index.header().capacity = capacity;
  return index;
}

ReservationIndex ReservationIndex::build(const std::string& path, const std::vector<Reservation>& reservations) {
  ReservationIndex index = create(path, std::bit_ceil(std::max(kSmallest, reservations.size() * 3 / 2)));
  for (const Reservation& reservation : reservations) index.add(reservation.address, reservation.content);
  return index;
}

std::size_t ReservationIndex::home_of(std::uint64_t owner) const noexcept {
  // FNV's low bits are its weak ones.
  return static_cast<std::size_t>((owner ^ owner >> 32) & (header().capacity - 1));
}

/// The slot from `owner`'s home on for which `wanted` is true, or the first free one. Its header says that a quarter is
/// free, which a damaged index may not have: then the probe comes round, and there is none.
template <typename Wanted>
std::size_t ReservationIndex::probe(std::uint64_t owner, const Wanted& wanted) const {
  const std::size_t capacity = header().capacity;
  std::size_t at = home_of(owner);
  for (std::size_t steps = 0; steps < capacity; ++steps, at = (at + 1) & (capacity - 1))
    if (slots()[at].owner == 0 || wanted(slots()[at])) return at;
  throw DamagedIndex();
}

void ReservationIndex::insert(const Slot& slot) {
  const std::size_t at = probe(slot.owner, [](const Slot&) { return false; });
  slots()[at] = slot;
  ++header().used;
}

/// Closes the gap, so that no probe that must pass it stops there. Source: Knuth, TAOCP 3, 6.4, algorithm R.
void ReservationIndex::erase(std::size_t at) {
  const std::size_t mask = header().capacity - 1;
  std::size_t steps = 0;
  for (std::size_t next = (at + 1) & mask; slots()[next].owner != 0; next = (next + 1) & mask) {
    if (++steps > mask) throw DamagedIndex();
    const std::size_t distance_from_home = (next - home_of(slots()[next].owner)) & mask;
    if (distance_from_home < ((next - at) & mask)) continue;
    slots()[at] = slots()[next];
    at = next;
  }
  slots()[at] = Slot{};
  --header().used;
}

void ReservationIndex::grow() {
  // Takes the place of the file at once; a kill before the seal leaves one that fits no state, and is made anew.
  ReservationIndex bigger = create(path_, 2 * header().capacity);
  for (std::size_t i = 0; i < header().capacity; ++i)
    if (slots()[i].owner != 0) bigger.insert(slots()[i]);
  *this = std::move(bigger);
}

void ReservationIndex::add(const IpAddress& address, std::string_view content) {
  if (is_crowded(header().used + 1, header().capacity)) grow();
  Slot slot{hash_of(content), {}};
  if (address.is_v4()) std::copy(std::begin(kMappedPrefix), std::end(kMappedPrefix), slot.bytes);
  std::copy_n(address.data(), address.size(), slot.bytes + sizeof slot.bytes - address.size());
  insert(slot);
}

void ReservationIndex::remove(const IpAddress& address, std::string_view content) {
  const std::uint64_t owner = hash_of(content);
  const std::size_t at =
      probe(owner, [&](const Slot& slot) { return slot.owner == owner && slot.address() == address; });
  if (slots()[at].owner != 0) erase(at);
}

std::vector<IpAddress> ReservationIndex::find(std::string_view content) const {
  const std::uint64_t owner = hash_of(content);
  std::vector<IpAddress> found;
  probe(owner, [&](const Slot& slot) {
    if (slot.owner == owner) found.push_back(slot.address());
    return false;
  });
  return found;
}

std::vector<IpAddress> ReservationIndex::addresses() const {
  std::vector<IpAddress> all;
  all.reserve(size());
  ::madvise(memory_, bytes_, MADV_POPULATE_READ);  // one call for a fault per page; older kernels do not know it
  for (std::size_t i = 0; i < header().capacity; ++i)
    if (slots()[i].owner != 0) all.push_back(slots()[i].address());
  return all;
}

std::size_t ReservationIndex::size() const noexcept {
  return header().used;
}

void ReservationIndex::seal(const Seal& seal) noexcept {
  header().seal = seal;
}

}  // namespace barewire::ipam::host_local
