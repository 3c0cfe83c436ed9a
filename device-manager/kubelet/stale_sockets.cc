// SPDX-License-Identifier: Apache-2.0
/// Only a refusal says that nobody listens: not being allowed to connect, or a queue that is full, says nothing.
#include "device-manager/kubelet/stale_sockets.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/directory.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/unix_socket.h"

namespace barewire::kubelet {

namespace {

bool is_refused(const std::string& path) {
  const sockaddr_un address = unix_address(path);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 &&
         errno == ECONNREFUSED;
}

bool is_old_socket(const std::string& path, std::chrono::seconds age) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0 || !S_ISSOCK(status.st_mode)) return false;
  const auto made = std::chrono::system_clock::from_time_t(status.st_mtim.tv_sec);
  return made + age <= std::chrono::system_clock::now();
}

}  // namespace

std::string remove_stale_sockets(const std::string& directory, const std::string& stem, const std::string& end,
                                 const std::string& own, std::chrono::seconds age) try {
  std::string removed;
  for (const std::string& name : list_directory(directory)) {
    const std::string path = directory + "/" + name;
    if (path == own || !name.starts_with(stem + "-") || !name.ends_with(end)) continue;
    if (path.size() > kLongestSocketPath || !is_old_socket(path, age) || !is_refused(path)) continue;
    if (::unlink(path.c_str()) == 0) removed += (removed.empty() ? "" : ", ") + name;
  }
  return removed;
} catch (const Error&) {
  return {};
}

}  // namespace barewire::kubelet
