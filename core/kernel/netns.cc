// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <exception>

#include "core/error.h"
#include "core/log.h"

namespace barewire::kernel {

namespace {

bool is_netns(int fd) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC) return false;
  return ::ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

/// Of the calling thread's netns; 0 when the kernel knows none. Source: net/core/sock.c sk_getsockopt.
std::uint64_t current_cookie() {
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0) return 0;
  return cookie;
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
  NetNsId id = file_id();
  try {
    run([&] { id.cookie = current_cookie(); });
  } catch (const Error& error) {  // not ours to enter: the file alone has to tell
    log_debug("the cookie of network namespace {} is not to be had: {}", path_, error.what());
  }
  return id;
}

NetNsId NetNs::file_id() const {
  struct stat status {};
  if (::fstat(fd(), &status) < 0) throw sys_error("identifying network namespace {}", path_);
  return {status.st_dev, status.st_ino, 0};
}

void NetNs::run(const std::function<void()>& work) const {
  const NetNs home = current();
  if (home.file_id() == file_id()) return work();
  if (::setns(fd(), CLONE_NEWNET) < 0) throw sys_error("entering network namespace {}", path_);
  const Homecoming homecoming(home);
  work();
}

}  // namespace barewire::kernel
