// SPDX-License-Identifier: Apache-2.0
/// Waiting until something on the node may have changed: links and VF attributes (rtnetlink), our records (inotify),
/// named netns (inotify). Tells that, not what: who is told looks again. Used by `barewire list --watch` and by the
/// daemon. One thread at a time.
#pragma once

#include <netlink/socket.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/kernel/netlink.h"

namespace barewire::manager {

class ChangeWatcher {
 public:
  /// Watches the records under `run_dir` and the directory of named netns. Directories that do not exist yet are found
  /// at the next wait. Throws Error when the kernel grants no watch at all.
  /// Source: inotify(7), rtnetlink(7) RTNLGRP_LINK.
  explicit ChangeWatcher(std::string run_dir, std::string netns_dir = "/run/netns");

  enum class Event { changed, timeout, readable };
  /// Returns `changed` once a burst of changes is over (or has gone on for a second), `readable` when the descriptor
  /// `other` (-1: none) has something to say, `timeout` otherwise.
  Event wait(std::chrono::milliseconds timeout, int other = -1);

  /// For a loop of the caller's own, instead of `wait`: readable when something changed; `drain` then makes them quiet
  /// again. Neither is ready for long: a burst is the caller's to wait out.
  std::array<int, 2> descriptors() const noexcept { return {inotify_.get(), links_.fd()}; }
  void drain();
  /// Directories that exist by now are watched from now on.
  void watch_directories();

 private:
  Event poll_once(std::chrono::milliseconds timeout, int other);
  void settle();

  std::string run_dir_;
  std::string netns_dir_;
  Fd inotify_;
  kernel::NlSocket links_;
};

}  // namespace barewire::manager
