// SPDX-License-Identifier: Apache-2.0
/// One thread reads; replies are written by whoever has them, one at a time.
#include "device-manager/nri/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "core/error.h"
#include "core/unix_socket.h"

namespace barewire::nri {

namespace {

/// To be registered and configured. Source: containerd/nri, pkg/api/timeouts.go: 5 s for the first.
constexpr std::chrono::seconds kPatience{10};
constexpr timeval kSendTimeout{.tv_sec = 5, .tv_usec = 0};  ///< a runtime that reads nothing must not hold a thread

Fd connect_to(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw sys_error("making a socket for {}", path);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout, sizeof kSendTimeout);
  const sockaddr_un address = unix_address(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw sys_error("connecting to the runtime at {}", path);
  return fd;
}

/// The sending side, shared with replies that outlive the connection.
class Sender {
 public:
  explicit Sender(int fd) : fd_(fd) {}
  /// A failure closes the connection for the reader, too: half a message would spoil all that follow.
  void send(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    while (fd_ >= 0 && !bytes.empty()) {
      const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) {
        ::shutdown(fd_, SHUT_RDWR);
        fd_ = -1;
        return;
      }
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  /// The descriptor is about to be closed, and its number to be another's.
  void end() {
    const std::lock_guard lock(mutex_);
    fd_ = -1;
  }

 private:
  std::mutex mutex_;
  int fd_;
};

/// False when `stop` is readable. Throws Error{io} at `deadline`, unless it has none.
bool wait_readable(int fd, int stop, const Deadline* deadline) {
  while (true) {
    int timeout = -1;
    if (deadline != nullptr) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*deadline - Deadline::clock::now());
      timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }
    std::array<pollfd, 2> both{
        {{.fd = fd, .events = POLLIN, .revents = 0}, {.fd = stop, .events = POLLIN, .revents = 0}}};
    const int ready = ::poll(both.data(), both.size(), timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) throw sys_error("waiting for the runtime");
    if (ready == 0) throw Error(Error::Code::io, "waiting for the runtime failed: it does not configure its plugins");
    return both[1].revents == 0;
  }
}

}  // namespace

void serve(const std::string& path, const std::string& name, const Hooks& hooks, int stop) {
  const Fd fd = connect_to(path);
  const auto sender = std::make_shared<Sender>(fd.get());
  const std::shared_ptr<void> ended(nullptr, [&sender](void*) { sender->end(); });
  Session session(name, hooks, [sender](const std::string& bytes) { sender->send(bytes); });
  session.start();
  const Deadline deadline = Deadline::clock::now() + kPatience;
  std::string buffer(std::size_t{64} << 10, '\0');
  while (wait_readable(fd.get(), stop, session.is_configured() ? nullptr : &deadline)) {
    const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != ECONNRESET) throw sys_error("reading from the runtime");
    if (size <= 0) return;
    session.receive(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
  }
}

}  // namespace barewire::nri
