// SPDX-License-Identifier: Apache-2.0
/// Network namespaces: opening them by path, telling them apart, running code in them. The only file that calls setns.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "core/fd.h"

namespace barewire::kernel {

/// Which namespace a path led to: paths such as /proc/PID/ns/net are recycled, this pair is not while the netns lives.
/// Source: namespaces(7), "The /proc/pid/ns/ directory".
struct NetNsId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const NetNsId&, const NetNsId&) = default;
};

class NetNs {
 public:
  /// Throws Error{io} naming the path when it is missing; Error{invalid_netns} when the path is
  /// not a network namespace (nsfs magic and NS_GET_NSTYPE are checked).
  static NetNs open(const std::string& path);
  /// nullopt when the path is missing, empty, or no longer a network namespace (a leftover plain file).
  static std::optional<NetNs> try_open(const std::string& path);
  /// That of the calling thread.
  static NetNs current();

  NetNsId id() const;
  int fd() const noexcept { return fd_.get(); }
  /// The path it was opened by, for messages.
  const std::string& path() const noexcept { return path_; }
  bool is_current() const { return id() == current().id(); }

  /// Runs `work` with the calling thread in this netns, then returns home; std::terminate when home cannot be reached,
  /// since no code may run in an unknown netns. Prefer a socket opened in the netns (NlSocket::in).
  void run(const std::function<void()>& work) const;

 private:
  NetNs(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  std::string path_;
};

}  // namespace barewire::kernel
