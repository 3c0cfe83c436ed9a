// SPDX-License-Identifier: Apache-2.0
/// Locks between processes: flock on a file, with a timeout shorter than the runtime's. lock_names.h names them,
/// store.h takes them. The kernel lets go of a lock when the last process that has it dies, however that happens: none
/// is ever stale.
#pragma once

#include <chrono>
#include <string>

#include "core/fd.h"

namespace barewire::state {

/// Runtimes give a plugin minutes (kubelet 4 min); a call that waits this long tells the runtime to try again.
inline constexpr std::chrono::seconds kLockTimeout{30};

/// Held until destruction or the process's end. Waits by asking again, as flock has no timeout of its own. Threads of
/// one process exclude each other too, since each acquire() opens the file anew. Source: flock(2).
class FileLock {
 public:
  /// Whether the lock's file goes when it is released (names that come and go, as containers) or stays (as PFs).
  enum class File { stays, goes };

  /// Throws Error{try_again} "<what> is locked …" after `timeout`, Error{io} when the file cannot be made.
  static FileLock acquire(const std::string& path, const std::string& what,
                          std::chrono::milliseconds timeout = kLockTimeout, File file = File::stays);
  /// nullopt when there is no directory for the file: for who makes it then.
  static std::optional<FileLock> try_acquire(const std::string& path, const std::string& what,
                                             std::chrono::milliseconds timeout = kLockTimeout, File file = File::stays);
  /// In a child whose parent holds the lock at `path` and waits for it: acquire() of the same file succeeds at once
  /// there, since the parent's lock protects the child's work too. Of the whole process; call it before threads start.
  static void inherit(const std::string& path);
  const std::string& path() const noexcept { return path_; }

  FileLock(FileLock&& other) noexcept = default;
  FileLock& operator=(FileLock&&) = delete;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  FileLock(Fd fd, std::string path, File file) : fd_(std::move(fd)), path_(std::move(path)), file_(file) {}
  Fd fd_;
  std::string path_;  ///< also of an inherited one, without descriptor
  File file_;
};

}  // namespace barewire::state
