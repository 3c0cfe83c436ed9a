// SPDX-License-Identifier: Apache-2.0
/// Network namespaces: opening them by path, telling them apart, running code in them. The only file that calls setns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"

namespace barewire::kernel {

/// Which namespace a path led to. Paths such as /proc/PID/ns/net are recycled, and so is the inode once the netns is
/// dead, often at once; the cookie never is. Source: namespaces(7), "The /proc/pid/ns/ directory"; SO_NETNS_COOKIE,
/// Linux 5.14.
struct NetNsId {
  dev_t device = 0;
  ino_t inode = 0;
  std::uint64_t cookie = 0;  ///< 0: not known (an older kernel, or only the file was looked at)
  /// A cookie that is not known on one side says nothing.
  friend bool operator==(const NetNsId& one, const NetNsId& other) noexcept {
    return one.device == other.device && one.inode == other.inode &&
           (one.cookie == 0 || other.cookie == 0 || one.cookie == other.cookie);
  }
};

/// An open netns: the descriptor keeps it alive, whatever becomes of its path and processes. As long as one is held, a
/// dead pod's devices do not come home.
class NetNs {
 public:
  /// Throws Error{io} naming the path when it is missing; Error{invalid_netns} when the path is
  /// not a network namespace (nsfs magic and NS_GET_NSTYPE are checked, before anything is opened that could block).
  static NetNs open(const std::string& path);
  /// nullopt when the path is missing, empty, or no longer a network namespace (a leftover plain file). Throws
  /// Error{io} when it cannot be looked at: that tells nothing.
  static std::optional<NetNs> try_open(const std::string& path);
  /// The same netns once more, however the path has changed since.
  NetNs again() const;
  /// That of the calling thread.
  static NetNs current();

  /// Looks inside for the cookie. Throws Error{io}.
  NetNsId id() const;
  /// The same, told by a socket that was opened inside.
  NetNsId id(int socket) const;
  int fd() const noexcept { return fd_.get(); }
  /// The path it was opened by, for messages.
  const std::string& path() const noexcept { return path_; }
  /// Whether the calling thread is in it.
  bool is_current() const { return file_id() == current().file_id(); }

  /// Runs `work` with the calling thread in this netns, then returns home; where home cannot be reached, the process
  /// says so (on_lost_thread) and ends with status 1, since no code may run in an unknown netns, undoing least of all.
  /// Prefer a socket opened in the netns (NlSocket::in).
  void run(const std::function<void()>& work) const;

 private:
  NetNsId file_id() const;
  NetNs(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  std::string path_;
};

/// Whether `path` leads to something that is no netns and never was: a FIFO, a device, a directory, a socket. The plain
/// file that an unmounted netns leaves behind is none of these. Empty, or what it is.
std::string describe_unfit_netns(const std::string& path);

/// Called with what happened when a thread cannot come home, right before the process ends: the program's last words.
/// The default prints them to stderr.
using LastWords = void (*)(std::string_view what) noexcept;
void on_lost_thread(LastWords say) noexcept;

}  // namespace barewire::kernel
