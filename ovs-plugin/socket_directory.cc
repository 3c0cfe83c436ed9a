// SPDX-License-Identifier: Apache-2.0
// The directory of a vhost-user socket is one that a pod mounts, so a pod can put links into it. Paths are walked one
// name at a time from descriptors, and a link is followed only where nobody but root could have made it.
#include "ovs-plugin/socket_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "core/error.h"
#include "core/log.h"

namespace barewire::ovs {

namespace {

constexpr mode_t kDirectoryMode = 0755;  // whatever the runtime's umask: the pod's program is not root

Fd open_root() {
  return open_file("/", O_PATH | O_DIRECTORY);
}

struct stat status_of(const Fd& fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) throw sys_error("looking at {}", path);
  return status;
}

/// Nobody but root can make, replace or rename what is in it.
bool is_roots(const struct stat& directory) {
  return directory.st_uid == 0 && (directory.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string target_of(const Fd& link, const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t size = ::readlinkat(link.get(), "", buffer.data(), buffer.size());
  if (size < 0) throw sys_error("reading the link {}", path);
  return {buffer.data(), static_cast<std::size_t>(size)};
}

[[noreturn]] void throw_not_followed(const std::string& path) {
  throw Error(Error::Code::held,
              fmt::format("going to {} failed: it is a symbolic link that others than root may have made", path),
              "give a \"socket_dir\" whose links are root's, in directories that only root writes to");
}

/// A walk from the root, one name after another.
class Walk {
 public:
  explicit Walk(const std::string& path) : at_(open_root()), rest_(path) {}

  /// Takes the next name of the path; false at its end. `is_last`: nothing follows it.
  bool next(std::string& name, bool& is_last) {
    const std::size_t begin = rest_.find_first_not_of('/');
    if (begin == std::string::npos) return false;
    const std::size_t end = std::min(rest_.find('/', begin), rest_.size());
    name = rest_.substr(begin, end - begin);
    rest_ = rest_.substr(end);
    is_last = rest_.find_first_not_of('/') == std::string::npos;
    return true;
  }
  /// Enters directory `name`, through root's links; false when there is none.
  bool enter(const std::string& name) {
    // O_PATH opens nothing: a FIFO or device under that name cannot block or be set off.
    Fd fd(::openat(at_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const std::string path = fmt::format("{}/{}", where_, name);
    if (!fd && errno == ENOENT) return false;
    if (!fd) throw sys_error("opening {}", path);
    const struct stat status = status_of(fd, path);
    if (S_ISLNK(status.st_mode)) return follow(fd, status, path);
    if (!S_ISDIR(status.st_mode))
      throw Error(Error::Code::held, fmt::format("going to {} failed: it is no directory", path));
    at_ = std::move(fd);
    where_ = path;
    return true;
  }
  const Fd& at() const { return at_; }
  Fd release() { return std::move(at_); }
  const std::string& where() const { return where_; }
  void arrive(Fd fd, const std::string& name) {
    at_ = std::move(fd);
    where_ += "/" + name;
  }

 private:
  bool follow(const Fd& link, const struct stat& status, const std::string& path) {
    constexpr int kMostLinks = 40;  // as the kernel
    // The link's own mode says nothing; who may write the directory decides who may have made it.
    if (status.st_uid != 0 || !is_roots(status_of(at_, where_)) || ++links_ > kMostLinks) throw_not_followed(path);
    const std::string target = target_of(link, path);
    rest_ = target + "/" + rest_;
    if (!target.starts_with('/')) return true;
    at_ = open_root();
    where_.clear();
    return true;
  }

  Fd at_;
  std::string where_;  ///< without links
  std::string rest_;
  int links_ = 0;
};

MadeDirectory make_one(Walk& walk, const std::string& name, bool& made) {
  const std::string path = fmt::format("{}/{}", walk.where(), name);
  // EEXIST: another ADD made it since it was looked for, and has it on its own record.
  made = ::mkdirat(walk.at().get(), name.c_str(), kDirectoryMode) == 0;
  if (!made && errno != EEXIST) throw sys_error("creating directory {}", path);
  Fd fd(::openat(walk.at().get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw sys_error("opening {}", path);
  if (made && ::fchmod(fd.get(), kDirectoryMode) != 0) throw sys_error("setting the mode of {}", path);
  const struct stat status = status_of(fd, path);
  walk.arrive(std::move(fd), name);
  return {path, FileId{status.st_dev, status.st_ino}};
}

void give_to_pod(const Fd& directory, const std::string& path, std::optional<mode_t> mode, std::optional<gid_t> group) {
  if (group && ::fchown(directory.get(), static_cast<uid_t>(-1), *group) != 0)
    throw sys_error("giving {} to group {}", path, *group);
  if (mode && ::fchmod(directory.get(), *mode) != 0) throw sys_error("setting the mode of {}", path);
}

void warn_of_other(const Walk& walk, std::optional<mode_t> mode, std::optional<gid_t> group) {
  const struct stat status = status_of(walk.at(), walk.where());
  if ((!mode || (status.st_mode & 07777U) == *mode) && (!group || status.st_gid == *group)) return;
  log_warning("leaving mode and group of {} as they are: it was there before", walk.where());
}

}  // namespace

std::optional<struct stat> Place::status() const {
  struct stat status {};
  if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  throw sys_error("looking at {}", name);
}

std::optional<FileId> Place::id() const {
  const auto found = status();
  return found ? std::optional(FileId{found->st_dev, found->st_ino}) : std::nullopt;
}

std::string Place::path() const {
  return fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
}

std::optional<Place> find_place(const std::string& path) {
  Walk walk(path);
  std::string name;
  for (bool is_last = false; walk.next(name, is_last);) {
    if (is_last) return Place{walk.release(), name};
    if (!walk.enter(name)) return std::nullopt;
  }
  return std::nullopt;
}

std::vector<std::string> missing_directories(const std::string& path) {
  std::vector<std::string> missing;
  Walk walk(path);
  std::string name;
  for (bool is_last = false; walk.next(name, is_last);) {
    // Below the first that is missing everything is.
    if (missing.empty() && walk.enter(name)) continue;
    missing.push_back(fmt::format("{}/{}", missing.empty() ? walk.where() : missing.back(), name));
  }
  return missing;
}

std::vector<MadeDirectory> make_socket_directory(const std::string& path, std::optional<mode_t> mode,
                                                 std::optional<gid_t> group) {
  std::vector<MadeDirectory> all;
  Walk walk(path);
  std::string name;
  bool made = false;
  for (bool is_last = false; walk.next(name, is_last);) {
    made = false;
    if (walk.enter(name)) continue;
    const MadeDirectory directory = make_one(walk, name, made);
    if (made) all.push_back(directory);
  }
  if (made)
    give_to_pod(walk.at(), path, mode, group);
  else
    warn_of_other(walk, mode, group);
  return all;
}

void remove_made_directory(const MadeDirectory& directory) {
  const auto place = find_place(directory.path);
  const auto id = place ? place->id() : std::nullopt;
  // By inode: a directory that somebody made anew under this path is not ours to remove.
  if (!id || (directory.id && *directory.id != *id)) return;
  if (::unlinkat(place->directory.get(), place->name.c_str(), AT_REMOVEDIR) == 0) return;
  // Not empty: other pods' sockets, or files of the pod's own. Those keep the directory.
  if (errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY && errno != ENOTDIR)
    throw sys_error("removing {}", directory.path);
}

}  // namespace barewire::ovs
