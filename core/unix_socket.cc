// SPDX-License-Identifier: Apache-2.0
// Unix sockets by path: their addresses, and who listens there. Connecting is the only way to tell, since the file of a
// socket outlives its program.
#include "core/unix_socket.h"

#include <sys/socket.h>

#include "core/error.h"
#include "core/fd.h"

namespace barewire {

sockaddr_un unix_address(const std::string& path) {
  if (path.size() > kLongestSocketPath)
    throw Error(Error::Code::environment,
                fmt::format("socket path {} is longer than {} bytes", path, kLongestSocketPath));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Zeroed before, so the text ends in a NUL. Source: unix(7), "Pathname sockets".
  path.copy(address.sun_path, kLongestSocketPath);
  return address;
}

namespace {

/// A socket on which connecting was tried; errno says how that went.
Fd try_connect(const std::string& path, bool& connected) {
  const sockaddr_un address = unix_address(path);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw sys_error("opening a unix socket");
  connected = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  return socket;
}

}  // namespace

bool has_listener(const std::string& path) {
  bool connected = false;
  const Fd socket = try_connect(path, connected);
  // EAGAIN: the listener's queue is full. EPROTOTYPE: it listens for another type. Source: connect(2).
  return connected || errno == EAGAIN || errno == EPROTOTYPE;
}

std::optional<pid_t> find_listener(const std::string& path) {
  bool connected = false;
  const Fd socket = try_connect(path, connected);
  if (!connected) return std::nullopt;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    throw sys_error("asking who listens at {}", path);
  return peer.pid;
}

}  // namespace barewire
