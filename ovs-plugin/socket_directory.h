// SPDX-License-Identifier: Apache-2.0
/// Directories for sockets, some of them on volumes that a pod writes to: reached without following links that the pod
/// may have made, changed only where this attachment made them, and removed only where they still are what was made.
/// vhost_user.cc uses it. Source: openat(2) O_PATH, O_NOFOLLOW; path_resolution(7).
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/fd.h"

namespace barewire::ovs {

/// Which file it is, whatever its name leads to by now.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

/// A file by the directory that holds it.
struct Place {
  Fd directory;  ///< O_PATH
  std::string name;
  /// nullopt when there is no such file. Links are not followed.
  std::optional<struct stat> status() const;
  std::optional<FileId> id() const;
  /// A short path to it, by the descriptor: what is at the long one may be another directory by now.
  std::string path() const;
};

/// nullopt when a directory on the way is missing. Throws Error{held} when a symbolic link on the way may have been
/// made by others than root, or something on it is no directory; Error{io}.
std::optional<Place> find_place(const std::string& path);

/// The directories that `path` needs and that are not there, the outermost first. Touches nothing. Throws as
/// find_place.
std::vector<std::string> missing_directories(const std::string& path);

struct MadeDirectory {
  std::string path;
  std::optional<FileId> id;  ///< absent: its making was only planned when the record was written
};

/// mkdir -p, with `mode` and `group` for the last, on what has been made alone: a directory that was there before keeps
/// its own, with a warning. Returns those made, the outermost first. Throws as find_place.
std::vector<MadeDirectory> make_socket_directory(const std::string& path, std::optional<mode_t> mode,
                                                 std::optional<gid_t> group);

/// Removes it where it is empty and still the same.
void remove_made_directory(const MadeDirectory& directory);

}  // namespace barewire::ovs
