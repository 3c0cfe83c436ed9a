// SPDX-License-Identifier: Apache-2.0
/// How a daemon is told to stop. Used by the node daemon and the DHCP daemon, which poll its descriptor beside their
/// sockets.
#pragma once

#include <signal.h>

#include "core/fd.h"

namespace barewire {

/// SIGTERM and SIGINT, read instead of suffered from construction to the process's end: the first thing of a daemon's
/// main, or one that comes earlier ends it half-made. Source: signalfd(2), sigprocmask(2).
class StopSignals {
 public:
  /// Throws Error{io}.
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Readable once one has come. Does not block.
  int fd() const noexcept { return fd_.get(); }
  /// Whether one has come; asked as often as one likes, it takes nothing away. Does not block.
  bool is_asked() const noexcept;
  /// From now on they end the process again; one that has come does so at once.
  void let_through() noexcept;

 private:
  sigset_t before_{};
  Fd fd_;
};

}  // namespace barewire
