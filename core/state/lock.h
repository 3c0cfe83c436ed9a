// SPDX-License-Identifier: Apache-2.0
/// Locks between processes: flock on a file, with a timeout shorter than the runtime's.
#pragma once

#include <chrono>
#include <string>

#include "core/fd.h"

namespace barewire::state {

/// Runtimes give a plugin minutes (kubelet 4 min); a call that waits this long tells the runtime to try again.
inline constexpr std::chrono::seconds kLockTimeout{30};

/// Held until destruction or the process's end. The file stays (removing it would let two processes lock two files).
/// Source: flock(2).
class FileLock {
 public:
  /// Throws Error{try_again} "<what> is locked …" after `timeout`, Error{io} when the file cannot be made.
  static FileLock acquire(const std::string& path, const std::string& what,
                          std::chrono::milliseconds timeout = kLockTimeout);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace barewire::state
