// SPDX-License-Identifier: Apache-2.0
// Each record is a file of its own and each claim a symbolic link to one, so that a single system call makes or removes
// either: a call that is killed leaves one of two whole states behind.
#include "core/state/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <climits>

#include "core/directory.h"
#include "core/draft.h"
#include "core/journal.h"
#include "core/run_directory.h"
#include "core/state/claimed_name.h"
#include "core/state/file_name.h"
#include "core/state/lock_names.h"
#include "core/temporary_file.h"
#include "core/utf8.h"

namespace barewire::state {

namespace {

/// Hidden ones are of a writer at work, or one that was killed.
std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names = list_directory(directory);
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  return names;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::optional<std::string> read_symlink(const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t size = ::readlink(path.c_str(), buffer.data(), buffer.size());
  if (size >= 0) return std::string(buffer.data(), static_cast<std::size_t>(size));
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw sys_error("reading the claim {}", path);
}

/// Throws when that cannot be told: a record that may be there counts as a holder's.
bool is_there(const std::string& record) {
  if (::access(record.c_str(), F_OK) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw sys_error("looking for the record {}", record);
}

/// Of a record, or a directory of records, that could not be read: throws Error{io} when it is the reading that fails.
void require_damaged(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) {
    if (errno != ENOENT) throw sys_error("looking at {}", path);
  } else if (S_ISREG(status.st_mode) && static_cast<std::size_t>(status.st_size) <= kLargestFile) {
    read_file(path);
  } else if (S_ISDIR(status.st_mode)) {
    list_directory(path);
  }
}

std::string device_name(std::string file) {
  std::replace(file.begin(), file.end(), '!', '/');
  return file;
}

}  // namespace

std::string Store::path_of(const AttachmentId& id) const {
  return fmt::format("{}/attachments/{}/{}", root_, file_name(id.network),
                     file_name(fmt::format("{}@{}.{}", id.container_id, id.ifname, id.plugin), ".json"));
}

std::optional<Attachment> Store::find(const AttachmentId& id) const {
  const std::string path = path_of(id);
  const auto bytes = read_file(path);
  if (!bytes) return std::nullopt;
  return parse_attachment(*bytes, path);
}

void Store::save(const Attachment& attachment) {
  const std::string text = boost::json::serialize(to_json(attachment)) + "\n";
  if (!is_utf8(text))
    // JSON is UTF-8, and a record that cannot be parsed again would hold its device for good.
    throw Error(Error::Code::state,
                fmt::format("writing the record of attachment {} failed: it is not UTF-8 text", attachment.id.text()),
                "a name in it, of a link, a file or a device, has bytes that no text has: " + escape_line(text));
  const std::string path = path_of(attachment.id);
  if (try_write_file_atomically(path, text, Durability::until_reboot)) return;
  make_run_directory(root_, "attachments/" + file_name(attachment.id.network));
  write_file_atomically(path, text, Durability::until_reboot);
}

namespace {

/// Before the record goes: it names the pod.
void record_reaped(const Store& store, const AttachmentId& id) {
  std::optional<Attachment> attachment;
  try {
    attachment = store.find(id);
  } catch (const Error&) {  // damaged: who removes it knows of it
  }
  if (!attachment) return;
  journal::record({.kind = journal::Kind::reap,
                   .cause = "runtime",
                   .plugin = id.plugin,
                   .command = "GC",
                   .network = id.network,
                   .name_space = attachment->pod.name_space,
                   .pod = attachment->pod.name,
                   .container = id.container_id,
                   .ifname = id.ifname});
}

}  // namespace

void Store::remove(const AttachmentId& id) {
  if (journal::is_collecting()) record_reaped(*this, id);
  remove_file(path_of(id));
  remove_temporary(path_of(id));
}

void Store::list_into(std::vector<Attachment>& found, const std::string& network, Unreadable* unreadable) const {
  const std::string directory = fmt::format("{}/attachments/{}", root_, network);
  const auto attempt = [&](const std::string& path, const auto& work) {
    try {
      work();
    } catch (const Error& error) {
      // One damaged record must not hide the others; who has to know of it asks for the list.
      if (unreadable != nullptr) unreadable->emplace_back(path, error.what());
    }
  };
  std::vector<std::string> names;
  attempt(directory, [&] { names = names_in(directory); });
  for (const std::string& name : names) {
    if (!ends_with(name, ".json")) continue;
    const std::string path = fmt::format("{}/{}", directory, name);
    attempt(path, [&] {
      if (const auto bytes = read_file(path)) found.push_back(parse_attachment(*bytes, path));
    });
  }
}

std::vector<Attachment> Store::list(Unreadable* unreadable) const {
  std::vector<Attachment> result;
  for (const std::string& network : names_in(root_ + "/attachments")) list_into(result, network, unreadable);
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return result;
}

std::optional<std::string> Store::find_other(const AttachmentId& id, const kernel::NetNsId& netns,
                                             std::string_view link) const {
  Unreadable unreadable;
  std::vector<Attachment> all = list(&unreadable);
  if (!unreadable.empty()) {  // descriptors or memory may have been short for a moment
    unreadable.clear();
    all = list(&unreadable);
  }
  for (const auto& [path, why] : unreadable) require_damaged(path);
  for (const Attachment& other : all) {
    const bool is_same =
        other.id.network == id.network && other.id.container_id == id.container_id && other.id.ifname == id.ifname;
    if (is_same || !other.netns_id || *other.netns_id != netns) continue;
    if (link.empty() ? other.id.container_id != id.container_id : other.has_link(link)) return other.text();
  }
  // It may be of this very netns, and "unknown" is never "nobody".
  if (!unreadable.empty()) return "a record that cannot be read: " + unreadable.front().first;
  return std::nullopt;
}

std::vector<Attachment> Store::list(const std::string& network, Unreadable* unreadable) const {
  std::vector<Attachment> result;
  list_into(result, file_name(network), unreadable);
  std::erase_if(result, [&](const Attachment& attachment) { return attachment.id.network != network; });
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return result;
}

bool Store::claim(const std::string& device, const AttachmentId& id) {
  journal::note_device(claimed_name(device));
  make_run_directory(root_, "devices");
  // Look, remove and make are three calls, and two ADDs that find the same dead claim would both take it.
  const FileLock lock = lock_claims();
  const std::string link = fmt::format("{}/devices/{}", root_, file_name(device));
  const std::string target = path_of(id);
  if (const auto holder = read_symlink(link)) {
    if (*holder == target) return true;
    if (is_there(*holder)) return false;
    remove_file(link);  // the holder's record is gone, so nothing of it needs undoing
  }
  if (::symlink(target.c_str(), link.c_str()) < 0) throw sys_error("claiming {} for {}", device, id.text());
  return true;
}

void Store::release(const std::string& device, const AttachmentId& id) {
  const std::string link = fmt::format("{}/devices/{}", root_, file_name(device));
  // Looked at twice: without the lock, to spare it where nothing is to be done, and under it, before the claim goes.
  if (read_symlink(link) != path_of(id)) return;
  journal::note_device(claimed_name(device));
  const FileLock lock = lock_claims();
  if (read_symlink(link) == path_of(id)) remove_file(link);
}

std::optional<AttachmentId> Store::holder(const std::string& device) const {
  if (auto attachment = holding(device)) return std::move(attachment->id);
  return std::nullopt;
}

std::optional<Attachment> Store::holding(const std::string& device) const {
  const auto target = read_symlink(fmt::format("{}/devices/{}", root_, file_name(device)));
  if (!target) return std::nullopt;
  const auto bytes = read_file(*target);
  if (!bytes) return std::nullopt;
  return parse_attachment(*bytes, *target);
}

std::vector<Claim> Store::claims() const {
  std::vector<Claim> result;
  const std::string directory = root_ + "/devices";
  for (const std::string& name : names_in(directory)) {
    const std::string link = directory + "/" + name;
    const auto record = read_symlink(link);
    struct stat status {};
    if (!record || ::lstat(link.c_str(), &status) < 0) continue;  // released since the listing
    result.push_back({.device = device_name(name),
                      .record = *record,
                      .has_record = is_there(*record),
                      .since = std::chrono::system_clock::from_time_t(status.st_ctime)});
  }
  return result;
}

bool Store::release_stale(const Claim& claim) {
  const FileLock lock = lock_claims();
  const std::string link = fmt::format("{}/devices/{}", root_, file_name(claim.device));
  // It may have been claimed anew, or its record saved, since claims() looked.
  if (read_symlink(link) != claim.record || is_there(claim.record)) return false;
  return remove_file(link);
}

FileLock Store::lock(const std::string& name, const std::string& what, std::chrono::milliseconds timeout,
                     FileLock::File file) const {
  const std::string path = fmt::format("{}/locks/{}", root_, file_name(name));
  // Made only where it is missing, which it hardly ever is.
  if (auto lock = FileLock::try_acquire(path, what, timeout, file)) return *std::move(lock);
  make_run_directory(root_, "locks");
  return FileLock::acquire(path, what, timeout, file);
}

FileLock Store::lock_claims() const {
  return lock(lock_name::claims(), "the claims of devices");
}

FileLock Store::lock_device(const std::string& address) const {
  return lock(lock_name::device(address), "device " + address);
}

FileLock Store::lock_attachment(const AttachmentId& id) const {
  FileLock lock = this->lock(lock_name::attachment(id.network, id.container_id, id.ifname, id.plugin),
                             "attachment " + id.text(), kLockTimeout, FileLock::File::goes);
  remove_temporary(path_of(id));  // of an ADD that was killed before there was a record
  return lock;
}

}  // namespace barewire::state
