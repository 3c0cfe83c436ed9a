// SPDX-License-Identifier: Apache-2.0
// A lock's file may be removed by its holder while others wait for it, so who gets the lock looks whether the name
// still leads to it.
// flock(2) belongs to the open file: the kernel gives it back when the holder ends, however it ends, so no lock is ever
// stale.
#include "core/state/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "core/error.h"
#include "core/regular_file.h"
#include "core/trace.h"

namespace barewire::state {

namespace {

using Clock = std::chrono::steady_clock;

/// False when another process holds it.
bool try_lock(int fd, const std::string& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
  // EINTR counts as "not yet": the caller asks again until its time is up.
  if (errno != EWOULDBLOCK && errno != EINTR) throw sys_error("locking {}", path);
  return false;
}

/// Made where it is missing. Its name is ours alone, so it is opened before it is looked at; harmlessly, whatever it
/// is.
std::optional<Fd> open_lock(const std::string& path) {
  return try_open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
}

/// False when it has been removed since it was opened. Lock files are never renamed.
bool has_name(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) throw sys_error("looking at {}", path);
  if (!S_ISREG(status.st_mode))
    throw Error(Error::Code::io, fmt::format("opening {} failed: it is {}, not a file", path, kind_of(status.st_mode)),
                "remove it");
  return status.st_nlink != 0;
}

/// The file that this process's parent has locked for it; empty in a process of its own.
std::string& inherited() {
  static std::string path;
  return path;
}

}  // namespace

void FileLock::inherit(const std::string& path) {
  inherited() = path;
}

FileLock FileLock::acquire(const std::string& path, const std::string& what, std::chrono::milliseconds timeout,
                           File file) {
  if (auto lock = try_acquire(path, what, timeout, file)) return *std::move(lock);
  throw errno_error(ENOENT, "opening " + path);
}

std::optional<FileLock> FileLock::try_acquire(const std::string& path, const std::string& what,
                                              std::chrono::milliseconds timeout, File file) {
  // Locks are held for milliseconds; a short pause keeps a queue of callers moving without burning a core.
  constexpr auto kPause = std::chrono::milliseconds(2);
  // The parent holds it and waits for this process: to wait for the lock here would be to wait for ever.
  if (!path.empty() && path == inherited()) return FileLock(Fd(), path, File::stays);
  trace::Span span("lock");
  span.set("barewire.what", what);
  const auto deadline = Clock::now() + timeout;
  auto fd = open_lock(path);
  while (fd) {
    if (try_lock(fd->get(), path)) {
      // A holder whose file goes has removed it while we waited for it: what we locked then is no longer the lock.
      if (has_name(fd->get(), path)) return FileLock(*std::move(fd), path, file);
      fd = open_lock(path);
      continue;
    }
    if (Clock::now() >= deadline)
      throw Error(Error::Code::try_again,
                  fmt::format("{} is locked by another call for more than {} ms", what, timeout.count()),
                  fmt::format("try again; `fuser {}` names the process that holds the lock", path));
    std::this_thread::sleep_for(kPause);
  }
  return std::nullopt;
}

FileLock::~FileLock() {
  if (fd_ && file_ == File::goes) ::unlink(path_.c_str());  // while still held, so that no one can lock it in between
}

}  // namespace barewire::state
