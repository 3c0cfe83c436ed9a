// SPDX-License-Identifier: Apache-2.0
// What is opened is looked at first, through a handle that opens nothing (O_PATH): opening a FIFO waits for its other
// end, opening a device may set it off, and a path of a configuration can lead to either.
#include "core/regular_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <filesystem>

#include "core/error.h"
#include "core/log.h"

namespace barewire {

namespace {

// Even so quietly, for what takes the place of a file between the look and the opening.
constexpr int kQuiet = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

bool is_missing(int err) {
  return err == ENOENT || err == ENOTDIR;
}

struct stat status_of(int fd, std::string_view name) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) throw sys_error("looking at {}", name);
  return status;
}

void require_regular(const struct stat& status, std::string_view name) {
  if (!S_ISREG(status.st_mode))
    throw Error(Error::Code::io, fmt::format("opening {} failed: it is {}, not a file", name, kind_of(status.st_mode)),
                "put a file there, or correct the path");
}

Error not_roots(const std::string& path, const char* why) {
  return Error(Error::Code::held, fmt::format("believing {} failed: {}", path, why),
               "only root may be able to write it and the directories above it");
}

/// A sticky directory keeps others from removing or renaming root's entries. Source: inode(7), S_ISVTX.
void require_roots(const struct stat& status, const std::string& path, bool sticky_will_do) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) throw not_roots(path, "it is not root's");
  if (S_ISLNK(status.st_mode)) return;  // nobody can write a link, only replace it
  const bool by_others = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (by_others && !(sticky_will_do && S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0))
    throw not_roots(path, "others than root can write it");
}

std::string target_of(int link, const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(link, "", target.data(), target.size());
  if (size < 0) throw sys_error("reading link {}", path);
  const std::string text(target.data(), static_cast<std::size_t>(size));
  return text.starts_with('/') ? text : path.substr(0, path.rfind('/') + 1) + text;
}

/// Component by component, so that what was looked at is what is used. nullopt when one is missing.
std::optional<Fd> walk_as_root(const std::string& path, int links_left = 8) {
  Fd here(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!here) throw sys_error("opening /");
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin), so_far = path.substr(0, end);
    const std::string rest = path.substr(end);
    begin = end + 1;
    if (name.empty()) continue;
    Fd next(::openat(here.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next && is_missing(errno)) return std::nullopt;
    if (!next) throw sys_error("opening {}", so_far);
    const struct stat status = status_of(next.get(), so_far);
    require_roots(status, so_far, rest.find('/', 1) != std::string::npos);
    // Eight links are more than any state directory has.
    if (S_ISLNK(status.st_mode) && links_left == 0) throw errno_error(ELOOP, "opening " + path);
    if (S_ISLNK(status.st_mode)) return walk_as_root(target_of(next.get(), so_far) + rest, links_left - 1);
    here = std::move(next);
  }
  return here;
}

}  // namespace

std::string_view kind_of(mode_t mode) noexcept {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISLNK(mode)) return "a symbolic link";
  return "a file";
}

std::optional<Fd> try_open_handle(const std::string& path) {
  Fd handle(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (handle) return handle;
  if (is_missing(errno)) return std::nullopt;
  throw sys_error("opening {}", path);
}

Fd open_handle(int handle, int flags, std::string_view name) {
  // By the handle, so that it is the very file that was looked at.
  Fd fd(::open(fmt::format("/proc/self/fd/{}", handle).c_str(), flags | kQuiet));
  if (!fd) throw sys_error("opening {}", name);
  return fd;
}

std::optional<Fd> try_open_regular(const std::string& path) {
  const auto handle = try_open_handle(path);
  if (!handle) return std::nullopt;
  require_regular(status_of(handle->get(), path), path);
  return open_handle(handle->get(), O_RDONLY, path);
}

Fd open_regular_for_writing(const std::string& path, int flags, mode_t mode) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) require_regular(status, path);
  // What was made there since shows on the descriptor; O_NONBLOCK keeps even that from blocking.
  Fd fd(::open(path.c_str(), flags | O_CREAT | O_NOFOLLOW | kQuiet, mode));
  if (!fd) throw sys_error("opening {}", path);
  require_regular(status_of(fd.get(), path), path);
  return fd;
}

std::optional<std::string> read_roots_file(const std::string& path) {
  std::optional<Fd> handle;
  try {
    handle = walk_as_root(std::filesystem::absolute(path).string());
  } catch (const Error& error) {
    if (!error.is(Error::Code::held)) throw;
    log_warning("as if it were not there: {}", error.what());
  }
  if (!handle) return std::nullopt;
  require_regular(status_of(handle->get(), path), path);
  return read_all(open_handle(handle->get(), O_RDONLY, path).get(), path);
}

}  // namespace barewire
