// SPDX-License-Identifier: Apache-2.0
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
  path.copy(address.sun_path, kLongestSocketPath);
  return address;
}

bool has_listener(const std::string& path) {
  const sockaddr_un address = unix_address(path);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw sys_error("opening a unix socket");
  // EAGAIN: the listener's queue is full. Source: connect(2).
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
}

}  // namespace barewire
