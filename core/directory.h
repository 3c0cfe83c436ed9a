// SPDX-License-Identifier: Apache-2.0
/// Listing directories, to their end or not at all: a listing that broke off half-way would make what was not read look
/// absent. The only file that calls readdir. Used wherever records, claims, processes or devices are counted. Safe from
/// any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace barewire {

struct DirectoryEntry {
  std::string name;
  unsigned char type = 0;  ///< DT_REG, …; DT_UNKNOWN where the file system does not tell. Source: readdir(3)
  friend auto operator<=>(const DirectoryEntry&, const DirectoryEntry&) = default;
};

/// What `path` holds without "." and "..", sorted by name. nullopt when it does not exist or is removed meanwhile.
/// Throws Error{io} when something else is there, when it cannot be opened, or not be read to its end.
std::optional<std::vector<DirectoryEntry>> try_list_entries(const std::string& path);

/// As try_list_entries, the names alone.
std::optional<std::vector<std::string>> try_list_directory(const std::string& path);
/// As try_list_directory; empty where that is nullopt: for who need not tell an empty directory from none.
std::vector<std::string> list_directory(const std::string& path);

}  // namespace barewire
