// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <exception>

#include "core/error.h"

namespace barewire::kernel {

namespace {

bool is_netns(int fd) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC) return false;
  return ::ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

/// Brings the thread back, whatever happened meanwhile.
class Homecoming {
 public:
  explicit Homecoming(const NetNs& home) : home_(home) {}
  Homecoming(const Homecoming&) = delete;
  Homecoming& operator=(const Homecoming&) = delete;
  ~Homecoming() {
    if (::setns(home_.fd(), CLONE_NEWNET) < 0) std::terminate();
  }

 private:
  const NetNs& home_;
};

}  // namespace

NetNs NetNs::open(const std::string& path) {
  Fd fd = open_file(path, O_RDONLY);
  if (!is_netns(fd.get())) throw Error(Error::Code::invalid_netns, fmt::format("{} is not a network namespace", path));
  return NetNs(std::move(fd), path);
}

std::optional<NetNs> NetNs::try_open(const std::string& path) {
  if (path.empty()) return std::nullopt;
  auto fd = try_open_file(path, O_RDONLY);
  if (!fd || !is_netns(fd->get())) return std::nullopt;
  return NetNs(std::move(*fd), path);
}

NetNs NetNs::current() {
  return open("/proc/thread-self/ns/net");
}

NetNsId NetNs::id() const {
  struct stat status {};
  if (::fstat(fd(), &status) < 0) throw sys_error("identifying network namespace {}", path_);
  return {status.st_dev, status.st_ino};
}

void NetNs::run(const std::function<void()>& work) const {
  const NetNs home = current();
  if (home.id() == id()) return work();
  if (::setns(fd(), CLONE_NEWNET) < 0) throw sys_error("entering network namespace {}", path_);
  const Homecoming homecoming(home);
  work();
}

}  // namespace barewire::kernel
