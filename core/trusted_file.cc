// SPDX-License-Identifier: Apache-2.0
// What is checked is the descriptor that is read from, so that the file cannot be another one by then.
#include "core/trusted_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/directory.h"
#include "core/fd.h"

namespace barewire {

namespace {

// A policy is read at each ADD and is some kilobytes; anything larger is a mistake.
constexpr off_t kLargest = 1 << 20;

void require_trustworthy(int fd, const std::string& path, mode_t type, const Refusal& refuse) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) throw refuse(path, std::strerror(errno));
  if ((status.st_mode & S_IFMT) != type) throw refuse(path, "it is of another kind");
  // Without root's rights a caller can do nothing to the node, and its own files serve to try things out.
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    throw refuse(path, fmt::format("it is owned by user {}, not by root", status.st_uid));
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw refuse(path, fmt::format("its mode is {:04o}: others than root may write it", status.st_mode & 07777));
  if (type == S_IFREG && status.st_size > kLargest) throw refuse(path, "it is larger than 1 MiB");
}

}  // namespace

/// O_NONBLOCK: a FIFO must not hang the caller. O_NOFOLLOW: who may make a link elsewhere could choose among root's
/// files.
std::optional<std::string> read_trusted(const std::string& path, const Refusal& refuse) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) throw refuse(path, std::strerror(errno));
  require_trustworthy(fd.get(), path, S_IFREG, refuse);
  try {
    return read_all(fd.get(), path);
  } catch (const Error& error) {
    throw refuse(path, error.what());
  }
}

bool is_trusted_directory(const std::string& path, const Refusal& refuse) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return false;
  if (!fd) throw refuse(path, std::strerror(errno));
  require_trustworthy(fd.get(), path, S_IFDIR, refuse);
  return true;
}

std::vector<std::string> list_json_files(const std::string& directory, const Refusal& refuse) try {
  std::vector<std::string> files;
  for (const std::string& name : list_directory(directory))
    if (name.ends_with(".json") && !name.starts_with('.')) files.push_back(fmt::format("{}/{}", directory, name));
  std::sort(files.begin(), files.end());
  return files;
} catch (const Error& error) {
  throw refuse(directory, error.what());
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

std::string directory_beside(const std::string& path) {
  return (path.ends_with(".json") ? path.substr(0, path.size() - 5) : path) + ".d";
}

}  // namespace barewire
