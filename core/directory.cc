// SPDX-License-Identifier: Apache-2.0
// Directories are read to their end or not at all: a list that broke off would make what it lacks look absent, and
// absent things are deleted, released, given away.
#include "core/directory.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "core/error.h"

namespace barewire {

namespace {

struct Close {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

/// ESRCH: of a process that has ended. Source: fs/proc/base.c.
bool is_gone(int err) {
  return err == ENOENT || err == ENOTDIR || err == ESRCH;
}

/// Of ENOTDIR: something else is there, in place of part of the way being gone. Leaves errno as it is.
bool is_no_directory(const std::string& path) {
  const int err = errno;
  const bool is_there = err == ENOTDIR && ::access(path.c_str(), F_OK) == 0;
  errno = err;
  return is_there;
}

}  // namespace

std::optional<std::vector<DirectoryEntry>> try_list_entries(const std::string& path) {
  const std::unique_ptr<DIR, Close> directory(::opendir(path.c_str()));
  if (!directory && is_gone(errno) && !is_no_directory(path)) return std::nullopt;
  if (!directory) throw sys_error("listing {}", path);
  std::vector<DirectoryEntry> entries;
  while (true) {
    errno = 0;  // nullptr is both the end and a failure
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr && errno == 0) break;
    if (entry == nullptr && is_gone(errno)) return std::nullopt;
    if (entry == nullptr) throw sys_error("listing {} to its end", path);
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
  }
  // The order of a directory is that of a hash on most file systems; messages and choices must be the same each time.
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::optional<std::vector<std::string>> try_list_directory(const std::string& path) {
  auto entries = try_list_entries(path);
  if (!entries) return std::nullopt;
  std::vector<std::string> names;
  names.reserve(entries->size());
  for (DirectoryEntry& entry : *entries) names.push_back(std::move(entry.name));
  return names;
}

std::vector<std::string> list_directory(const std::string& path) {
  return try_list_directory(path).value_or(std::vector<std::string>());
}

}  // namespace barewire
