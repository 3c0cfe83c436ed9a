// SPDX-License-Identifier: Apache-2.0
// One name for all writers: a killed one leaves a single file, which the next takes over, instead of one per crash.
#include "core/temporary_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/error.h"
#include "core/regular_file.h"

namespace barewire {

namespace {

using Clock = std::chrono::steady_clock;

/// Writers write for milliseconds; one that is stopped must not hold up the others for ever.
constexpr std::chrono::seconds kPatience{30};

/// A writer ends by renaming the file: who waited for it then holds the lock of another.
bool is_locked_at(int fd, const std::string& temporary) {
  const auto deadline = Clock::now() + kPatience;
  while (::flock(fd, LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw sys_error("locking {}", temporary);
    if (Clock::now() >= deadline)
      throw Error(Error::Code::try_again,
                  fmt::format("{} is being written for more than {} s", temporary, kPatience.count()),
                  fmt::format("try again; `fuser {}` names the process that holds it", temporary));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return is_still_at(fd, temporary);
}

void empty(int fd, const std::string& temporary) {
  struct stat left = {};
  if (::fstat(fd, &left) == 0 && left.st_size == 0) return;
  if (::ftruncate(fd, 0) < 0) throw sys_error("emptying {}", temporary);
}

}  // namespace

std::string temporary_of(const std::string& path) {
  const auto name = path.rfind('/') + 1;  // 0 where there is no slash
  return fmt::format("{}.{}.tmp", path.substr(0, name), path.substr(name));
}

Fd open_temporary(const std::string& path, mode_t mode) {
  const std::string temporary = temporary_of(path);
  while (true) {
    Fd fd = open_regular_for_writing(temporary, O_WRONLY, mode);
    if (!is_locked_at(fd.get(), temporary)) continue;
    // A writer that was killed may have left more than is written now.
    empty(fd.get(), temporary);
    return fd;
  }
}

void remove_temporary(const std::string& path) {
  const std::string temporary = temporary_of(path);
  while (const auto fd = try_open_regular(temporary)) {
    if (!is_locked_at(fd->get(), temporary)) continue;
    remove_file(temporary);
    return;
  }
}

bool is_still_at(int fd, const std::string& path) {
  struct stat ours = {};
  struct stat there = {};
  return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

}  // namespace barewire
