// SPDX-License-Identifier: Apache-2.0
// What is checked is the descriptor that is read from, so that the file cannot be another one by then.
#include "core/policy/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/directory.h"
#include "core/fd.h"

namespace barewire::policy {

namespace {

// Read at each ADD: a policy is some kilobytes, and anything larger is a mistake.
constexpr off_t kLargest = 1 << 20;

Error refuse(const std::string& path, std::string_view why) {
  return Error(Error::Code::policy, fmt::format("the node's policy {} cannot be used: {}", path, why),
               "until it is mended no pod gets a network; DEL and GC go on");
}

void require_trustworthy(int fd, const std::string& path, mode_t type) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) throw refuse(path, std::strerror(errno));
  if ((status.st_mode & S_IFMT) != type) throw refuse(path, "it is of another kind");
  // Without root's rights a caller can do nothing to the node, and its own files serve to try a policy.
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    throw refuse(path, fmt::format("it is owned by user {}, not by root", status.st_uid));
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw refuse(path, fmt::format("its mode is {:04o}: others than root may write it", status.st_mode & 07777));
  if (type == S_IFREG && status.st_size > kLargest) throw refuse(path, "it is larger than 1 MiB");
}

/// nullopt: it is not there. O_NONBLOCK: a FIFO must not hang the ADD. O_NOFOLLOW: who may make a link elsewhere could
/// choose among root's files.
std::optional<std::string> read_trusted(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) throw refuse(path, std::strerror(errno));
  require_trustworthy(fd.get(), path, S_IFREG);
  try {
    return read_all(fd.get(), path);
  } catch (const Error& error) {
    throw refuse(path, error.what());
  }
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

/// Who may write the directory may put another file into the place.
std::optional<Fd> open_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) throw refuse(path, std::strerror(errno));
  require_trustworthy(fd.get(), path, S_IFDIR);
  return fd;
}

std::vector<std::string> list_files(const std::string& directory) try {
  std::vector<std::string> files;
  for (const std::string& name : list_directory(directory))
    if (name.ends_with(".json") && !name.starts_with('.')) files.push_back(directory + "/" + name);
  return files;
} catch (const Error& error) {
  throw refuse(directory, error.what());
}

}  // namespace

std::optional<Policy> read_policy(const std::string& path) {
  const auto bytes = read_trusted(path);
  if (!bytes) return std::nullopt;
  // Also where the file itself is root's: who may write its directory could replace it.
  open_directory(directory_of(path));
  Policy policy;
  policy.add_file(path, *bytes);
  const std::string more = (path.ends_with(".json") ? path.substr(0, path.size() - 5) : path) + ".d";
  if (!open_directory(more)) return policy;
  for (const std::string& file : list_files(more))
    // In the order of names; the first rule that is for a network decides, so names like "10-…" order them.
    if (const auto text = read_trusted(file)) policy.add_file(file, *text);
  return policy;
}

}  // namespace barewire::policy
