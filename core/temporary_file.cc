// SPDX-License-Identifier: Apache-2.0
#include "core/temporary_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

namespace barewire {

namespace {

/// A writer ends by renaming the file: who waited for it then holds the lock of another.
bool is_locked_at(int fd, const std::string& temporary) {
  while (::flock(fd, LOCK_EX) < 0)
    if (errno != EINTR) throw sys_error("locking {}", temporary);
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
    Fd fd = open_file(temporary, O_WRONLY | O_CREAT | O_NOFOLLOW, mode);
    if (!is_locked_at(fd.get(), temporary)) continue;
    empty(fd.get(), temporary);
    return fd;
  }
}

void remove_temporary(const std::string& path) {
  const std::string temporary = temporary_of(path);
  while (const auto fd = try_open_file(temporary, O_RDONLY | O_NOFOLLOW)) {
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
