// SPDX-License-Identifier: Apache-2.0
#include "core/state/store.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <climits>
#include <memory>

#include "core/temporary_file.h"

namespace barewire::state {

namespace {

/// Names in a directory, sorted; empty when it does not exist.
std::vector<std::string> names_in(const std::string& directory) {
  struct Close {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
  };
  const std::unique_ptr<DIR, Close> dir(::opendir(directory.c_str()));
  if (!dir && errno == ENOENT) return {};
  if (!dir) throw sys_error("listing {}", directory);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get()))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
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

/// A device's name as a file name: PCI addresses as they are, '/' (sysfs paths) replaced.
std::string file_name(std::string device) {
  std::replace(device.begin(), device.end(), '/', '!');
  return device;
}

std::string device_name(std::string file) {
  std::replace(file.begin(), file.end(), '!', '/');
  return file;
}

}  // namespace

std::string Store::path_of(const AttachmentId& id) const {
  return fmt::format("{}/attachments/{}/{}@{}.{}.json", root_, id.network, id.container_id, id.ifname, id.plugin);
}

std::optional<Attachment> Store::find(const AttachmentId& id) const {
  const std::string path = path_of(id);
  const auto bytes = read_file(path);
  if (!bytes) return std::nullopt;
  return parse_attachment(*bytes, path);
}

void Store::save(const Attachment& attachment) {
  make_directories(fmt::format("{}/attachments/{}", root_, attachment.id.network), 0700);
  write_file_atomically(path_of(attachment.id), boost::json::serialize(to_json(attachment)) + "\n",
                        Durability::until_reboot);
}

void Store::remove(const AttachmentId& id) {
  remove_file(path_of(id));
  remove_temporary(path_of(id));
}

std::vector<Attachment> Store::list(std::vector<std::pair<std::string, std::string>>* unreadable) const {
  std::vector<Attachment> result;
  const std::string directory = root_ + "/attachments";
  for (const std::string& network : names_in(directory)) {
    for (const std::string& name : names_in(directory + "/" + network)) {
      const std::string path = fmt::format("{}/{}/{}", directory, network, name);
      if (!ends_with(name, ".json")) continue;
      try {
        if (const auto bytes = read_file(path)) result.push_back(parse_attachment(*bytes, path));
      } catch (const Error& error) {
        if (unreadable != nullptr) unreadable->emplace_back(path, error.what());
      }
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return result;
}

std::vector<Attachment> Store::list(const std::string& network) const {
  std::vector<Attachment> result = list();
  std::erase_if(result, [&](const Attachment& attachment) { return attachment.id.network != network; });
  return result;
}

bool Store::claim(const std::string& device, const AttachmentId& id) {
  make_directories(root_ + "/devices", 0700);
  const std::string link = fmt::format("{}/devices/{}", root_, file_name(device));
  const std::string target = path_of(id);
  while (::symlink(target.c_str(), link.c_str()) < 0) {
    if (errno != EEXIST) throw sys_error("claiming {} for {}", device, id.text());
    const auto holder = read_symlink(link);
    if (!holder) continue;  // released between the two calls
    if (*holder == target) return true;
    if (::access(holder->c_str(), F_OK) == 0) return false;
    // The holder's record is gone, so nothing of it needs undoing. Callers hold the device's lock.
    remove_file(link);
  }
  return true;
}

void Store::release(const std::string& device, const AttachmentId& id) {
  const std::string link = fmt::format("{}/devices/{}", root_, file_name(device));
  if (read_symlink(link) == path_of(id)) remove_file(link);
}

std::optional<AttachmentId> Store::holder(const std::string& device) const {
  const auto target = read_symlink(fmt::format("{}/devices/{}", root_, file_name(device)));
  if (!target) return std::nullopt;
  const auto bytes = read_file(*target);
  if (!bytes) return std::nullopt;
  return parse_attachment(*bytes, *target).id;
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
                      .has_record = ::access(record->c_str(), F_OK) == 0,
                      .since = std::chrono::system_clock::from_time_t(status.st_ctime)});
  }
  return result;
}

bool Store::release_stale(const Claim& claim) {
  const std::string link = fmt::format("{}/devices/{}", root_, file_name(claim.device));
  if (read_symlink(link) != claim.record || ::access(claim.record.c_str(), F_OK) == 0) return false;
  return remove_file(link);
}

FileLock Store::lock(const std::string& name, const std::string& what, std::chrono::milliseconds timeout,
                     FileLock::File file) const {
  const std::string directory = root_ + "/locks";
  make_directories(directory, 0700);
  return FileLock::acquire(fmt::format("{}/{}", directory, file_name(name)), what, timeout, file);
}

FileLock Store::lock_attachment(const AttachmentId& id) const {
  FileLock lock = this->lock(fmt::format("attachment-{}@{}@{}.{}", id.network, id.container_id, id.ifname, id.plugin),
                             "attachment " + id.text(), kLockTimeout, FileLock::File::goes);
  remove_temporary(path_of(id));  // of an ADD that was killed before there was a record
  return lock;
}

}  // namespace barewire::state
