// SPDX-License-Identifier: Apache-2.0
// A thread in a wrong netns would work on another pod, or on the node: there is no way on from a failure to come home.
#include "core/kernel/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"
#include "core/regular_file.h"

namespace barewire::kernel {

namespace {

/// What `path` leads to. nullopt when there is nothing.
std::optional<bool> is_on_nsfs(const std::string& path) {
  struct statfs fs {};
  if (::statfs(path.c_str(), &fs) == 0) return fs.f_type == NSFS_MAGIC;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw sys_error("opening {}", path);
}

/// Of the netns that `socket` was opened in; 0 when the kernel knows none. Source: net/core/sock.c sk_getsockopt.
std::uint64_t cookie_of(int socket) noexcept {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

void print_last_words(std::string_view what) noexcept {
  write_quietly(STDERR_FILENO, what);
  write_quietly(STDERR_FILENO, "\n");
}

LastWords last_words = print_last_words;

/// setns takes memory, which may be short for a moment. Source: kernel/nsproxy.c.
int return_to(int home) noexcept {
  constexpr int kTries = 50;
  for (int i = 0; i < kTries; ++i) {
    if (::setns(home, CLONE_NEWNET) == 0) return 0;
    if (errno != ENOMEM) break;
    ::usleep(2000);
  }
  return errno;
}

/// Brings the thread back, whatever happened meanwhile.
class Homecoming {
 public:
  explicit Homecoming(const NetNs& home) : home_(home) {}
  Homecoming(const Homecoming&) = delete;
  Homecoming& operator=(const Homecoming&) = delete;
  ~Homecoming() {
    const int err = return_to(home_.fd());
    if (err == 0) return;
    // _exit and not exit: no destructor or handler may run either, for it would run in the pod's netns.
    last_words(errno_error(err, "returning to the node's network namespace").what());
    ::_exit(1);
  }

 private:
  const NetNs& home_;
};

/// Nothing but a namespace is opened, and so quietly that it does no harm to what might take its place meanwhile.
/// nullopt when there is nothing; an empty Fd for what is no netns.
std::optional<Fd> open_if_netns(const std::string& path) {
  const auto on_nsfs = is_on_nsfs(path);
  if (!on_nsfs) return std::nullopt;
  if (!*on_nsfs) return Fd();
  auto fd = try_open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (fd && ::ioctl(fd->get(), NS_GET_NSTYPE) != CLONE_NEWNET) fd->reset();
  return fd;
}

}  // namespace

void on_lost_thread(LastWords say) noexcept {
  last_words = say;
}

std::string describe_unfit_netns(const std::string& path) {
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) < 0 || S_ISREG(status.st_mode)) return {};
  return std::string(kind_of(status.st_mode));
}

NetNs NetNs::open(const std::string& path) {
  auto fd = open_if_netns(path);
  if (!fd) throw errno_error(ENOENT, "opening " + path);
  if (*fd) return NetNs(std::move(*fd), path);
  const std::string kind = describe_unfit_netns(path);
  throw Error(Error::Code::invalid_netns, fmt::format("{} is not a network namespace", path),
              kind.empty() ? kind : fmt::format("it is {}", kind));
}

std::optional<NetNs> NetNs::try_open(const std::string& path) {
  if (path.empty()) return std::nullopt;
  auto fd = open_if_netns(path);
  if (!fd || !*fd) return std::nullopt;
  return NetNs(std::move(*fd), path);
}

NetNs NetNs::again() const {
  // By the descriptor and not by the path, which may lead to another netns by now.
  Fd fd(::fcntl(this->fd(), F_DUPFD_CLOEXEC, 0));
  if (!fd) throw sys_error("opening {} again", path_);
  return NetNs(std::move(fd), path_);
}

NetNs NetNs::current() {
  // Of the thread: /proc/self is the main thread's, which may be in another netns.
  constexpr const char* kOwn = "/proc/thread-self/ns/net";
  return NetNs(open_file(kOwn, O_RDONLY), kOwn);
}

NetNsId NetNs::id() const {
  NetNsId id = file_id();
  try {
    run([&] { id.cookie = cookie_of(Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)).get()); });
  } catch (const Error& error) {  // not ours to enter: the file alone has to tell
    log_debug("the cookie of network namespace {} is not to be had: {}", path_, error.what());
  }
  return id;
}

NetNsId NetNs::id(int socket) const {
  NetNsId id = file_id();
  id.cookie = cookie_of(socket);
  return id;
}

NetNsId NetNs::file_id() const {
  struct stat status {};
  if (::fstat(fd(), &status) < 0) throw sys_error("identifying network namespace {}", path_);
  return {status.st_dev, status.st_ino, 0};
}

void NetNs::run(const std::function<void()>& work) const {
  const NetNs home = current();
  if (::setns(fd(), CLONE_NEWNET) < 0) {
    const int err = errno;
    // Who may not enter any is inside already where that is home.
    if (err == EPERM && home.file_id() == file_id()) return work();
    throw errno_error(err, fmt::format("entering network namespace {}", path_));
  }
  const Homecoming homecoming(home);
  work();
}

}  // namespace barewire::kernel
