// SPDX-License-Identifier: Apache-2.0
// The files are the truth, since the reference plugin writes them too. The index saves reading them all.
#include "ipam/host_local/reservation_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "core/directory.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/regular_file.h"
#include "core/text.h"
#include "ipam/host_local/link_file.h"

namespace barewire::ipam::host_local {

namespace {

/// As the reference compares: blanks at both ends do not count.
std::string trimmed(std::string_view text) {
  return std::string(trim(text, std::string_view(" \t\r\n\v\f\0", 7)));
}

/// Stands for what occupies an address's name without being a file (a directory, a pipe): it is never removed.
constexpr const char* kNotAReservation = "\r\n";

bool is_regular(const std::string& path, const DirectoryEntry& entry) {
  if (entry.type != DT_UNKNOWN) return entry.type == DT_REG;
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

/// By device and inode, not by name: directories that are one through links share one index.
std::string index_path(const std::string& index_directory, const struct stat& directory) {
  return fmt::format("{}/{:x}-{:x}.index", index_directory, directory.st_dev, directory.st_ino);
}

}  // namespace

ReservationStore ReservationStore::open(const std::string& directory, const std::string& index_directory) {
  if (auto store = open_existing(directory, index_directory)) return *std::move(store);
  make_directories(directory);
  auto store = open_existing(directory, index_directory);
  if (!store) throw Error(Error::Code::io, fmt::format("opening {} failed: it is not a directory", directory));
  return std::move(*store);
}

std::optional<ReservationStore> ReservationStore::open_existing(const std::string& directory,
                                                                const std::string& index_directory) {
  // The reference's own lock file, so that the two exclude each other.
  auto lock = state::FileLock::try_acquire(directory + "/lock", fmt::format("reservation directory {}", directory));
  if (!lock) return std::nullopt;
  return ReservationStore(directory, index_directory, *std::move(lock));
}

ReservationStore::ReservationStore(std::string directory, const std::string& index_directory, state::FileLock lock)
    : directory_(std::move(directory)), lock_(std::move(lock)) {
  struct stat status {};
  if (::stat(directory_.c_str(), &status) != 0) throw sys_error("reading {}", directory_);
  index_path_ = index_path(index_directory, status);
  index_ = ReservationIndex::open(index_path_, Seal::of(status));
  consistent_ = index_.has_value();
  if (consistent_) return;
  // Without its directory the index lives in memory for this call, which only costs time.
  ::mkdir(index_directory.substr(0, index_directory.rfind('/')).c_str(), 0755);
  ::mkdir(index_directory.c_str(), 0700);
  rebuild_index();
}

ReservationStore::~ReservationStore() {
  if (index_ && index_->is_open() && consistent_ && changed_) seal_index();
}

/// Gives the directory a time of change that no change by others can give it: in the past, with random nanoseconds. So
/// any entry made or removed by another program shows, even within the same tick of the file system's clock.
void ReservationStore::seal_index() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::uint32_t random = 0;
  if (::getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) return;
  const timespec sealed{now.tv_sec - 1, static_cast<long>(random % 1'000'000'000U)};
  const timespec times[2] = {{0, UTIME_OMIT}, sealed};
  struct stat status {};
  // Failing (not the owner of the directory), the index does not fit the next time and is made anew.
  if (::utimensat(AT_FDCWD, directory_.c_str(), times, 0) != 0 || ::stat(directory_.c_str(), &status) != 0) return;
  // A file system that keeps seconds alone cannot hold a seal.
  if (status.st_mtim.tv_sec == sealed.tv_sec && status.st_mtim.tv_nsec == sealed.tv_nsec)
    index_->seal(Seal::of(status));
}

std::vector<Reservation> ReservationStore::scan() const {
  std::vector<Reservation> found;
  const auto entries = try_list_entries(directory_);
  if (!entries) throw errno_error(ENOENT, "listing " + directory_);
  for (const DirectoryEntry& entry : *entries) {
    const std::string& name = entry.name;
    const auto address = IpAddress::parse(name);
    const std::string path = directory_ + "/" + name;
    if (is_draft_name(name)) remove_file(path);  // left by a killed process: under the lock nobody is writing it
    if (!address || address->text() != name) continue;
    std::string content = is_regular(path, entry) ? trimmed(read_file(path).value_or("")) : kNotAReservation;
    // The reference, or a machine that lost its power, can leave an empty file; its ADD was never answered.
    if (content.empty() && remove_file(path)) continue;
    found.push_back({*address, std::move(content)});
  }
  return found;
}

std::vector<Reservation> ReservationStore::rebuild_index() {
  std::vector<Reservation> found = scan();
  index_ = ReservationIndex::build(index_path_, found);
  consistent_ = true;
  changed_ = true;
  return found;
}

/// What the index says `content` holds, if the files agree.
std::optional<std::vector<IpAddress>> ReservationStore::verified(const std::string& content) const try {
  auto addresses = index_->find(content);
  for (const IpAddress& address : addresses)
    if (trimmed(read_file(path_of(address)).value_or("")) != content) return std::nullopt;
  std::sort(addresses.begin(), addresses.end());
  return addresses;
} catch (const DamagedIndex&) {
  return std::nullopt;
}

std::vector<IpAddress> ReservationStore::holding(const std::string& content) {
  if (auto addresses = verified(content)) return *addresses;
  rebuild_index();  // somebody wrote into a reservation: the directory's seal does not show that
  return verified(content).value_or(std::vector<IpAddress>());
}

std::vector<IpAddress> ReservationStore::held_by(const Owner& owner) {
  auto addresses = holding(owner.content());
  const auto old = holding(owner.container_id);
  addresses.insert(addresses.end(), old.begin(), old.end());
  return addresses;
}

std::optional<Owner> ReservationStore::holder(const IpAddress& address) const {
  try {
    const std::string content = trimmed(read_file(path_of(address)).value_or(""));
    if (content.empty()) return std::nullopt;
    const auto end = content.find("\r\n");
    return Owner{content.substr(0, end), end == std::string::npos ? "" : content.substr(end + 2)};
  } catch (const Error& error) {
    log_debug("ignoring that {} cannot be read: {}", path_of(address), error.what());
    return std::nullopt;
  }
}

bool ReservationStore::reserve(const IpAddress& address, const Owner& owner) {
  const std::string content = owner.content();
  if (!draft_ || draft_content_ != content) {
    draft_ = draft_reservation(directory_, content);
    draft_content_ = content;
  }
  // Until both have changed: an exception in between must not leave a sealed index that is wrong.
  consistent_ = false;
  const bool reserved = give_name(draft_.get(), directory_, content, address.text());
  if (reserved) {
    change_index([&] { index_->add(address, content); });
    draft_.reset();  // one file, one reservation
  }
  consistent_ = true;
  return reserved;
}

void ReservationStore::change_index(const std::function<void()>& change) {
  try {
    change();
    changed_ = true;
  } catch (const DamagedIndex&) {
    log_warning("the index of {} is damaged; it is made anew", directory_);
    rebuild_index();
  }
}

void ReservationStore::remove(const IpAddress& address, const std::string& content) {
  consistent_ = false;
  remove_file(path_of(address));
  change_index([&] { index_->remove(address, content); });
  consistent_ = true;
}

bool ReservationStore::release(const Owner& owner) {
  std::string content = owner.content();
  auto addresses = holding(content);
  if (addresses.empty()) {
    content = owner.container_id;
    addresses = holding(content);
  }
  for (const IpAddress& address : addresses) remove(address, content);
  return !addresses.empty();
}

bool ReservationStore::release(const IpAddress& address, const Owner& owner) {
  const auto addresses = holding(owner.content());
  if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) return false;
  remove(address, owner.content());
  return true;
}

std::size_t ReservationStore::release_unless(const std::function<bool(std::string_view content)>& keep) {
  std::size_t released = 0;
  for (const Reservation& reservation : rebuild_index()) {
    if (reservation.content == kNotAReservation) continue;
    if (keep(reservation.content)) continue;
    remove(reservation.address, reservation.content);
    ++released;
  }
  return released;
}

/// Its name is ours alone, so it is opened before it is looked at; what is no file cannot be read and written at 0.
std::optional<Fd> ReservationStore::open_hint(std::size_t range_set, int flags) const {
  return try_open_file(fmt::format("{}/last_reserved_ip.{}", directory_, range_set),
                       flags | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
}

std::optional<IpAddress> ReservationStore::last_reserved(std::size_t range_set) const {
  constexpr std::size_t kLongest = 256;  // bytes: an address, and blanks
  char text[kLongest + 1];
  try {
    auto fd = open_hint(range_set, 0);
    if (!fd) return std::nullopt;
    const ssize_t size = ::pread(fd->get(), text, sizeof text, 0);
    if (size < 0) throw sys_error("reading last_reserved_ip.{} in {}", range_set, directory_);
    hint_ = *std::move(fd);
    hint_set_ = range_set;
    hint_size_ = static_cast<std::size_t>(size);
    return hint_size_ <= kLongest ? IpAddress::parse(trimmed({text, hint_size_})) : std::nullopt;
  } catch (const Error& error) {
    log_warning("ignoring: {}", error.what());
    return std::nullopt;
  }
}

void ReservationStore::set_last_reserved(std::size_t range_set, const IpAddress& address) const {
  const std::string text = address.text();
  try {
    const bool is_known = hint_ && hint_set_ == range_set;
    const Fd fd = is_known ? std::move(hint_) : open_hint(range_set, O_CREAT).value_or(Fd());
    const auto size = static_cast<ssize_t>(text.size());
    // Written over in place, then cut: truncating first would make ext4 flush the file at close.
    const bool fits = is_known && hint_size_ <= text.size();
    if (::pwrite(fd.get(), text.data(), text.size(), 0) != size || (!fits && ::ftruncate(fd.get(), size) != 0))
      throw sys_error("writing last_reserved_ip.{} in {}", range_set, directory_);
  } catch (const Error& error) {
    log_warning("ignoring: {}", error.what());
  }
}

}  // namespace barewire::ipam::host_local
