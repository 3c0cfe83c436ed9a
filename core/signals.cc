// SPDX-License-Identifier: Apache-2.0
// SIGTERM and SIGINT as a descriptor: a loop polls it beside its others, and an undo that is running is never cut off
// in the middle.
#include "core/signals.h"

#include <poll.h>
#include <sys/signalfd.h>

#include "core/error.h"

namespace barewire {

StopSignals::StopSignals() {
  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTERM);
  ::sigaddset(&stop, SIGINT);
  // In a program without threads yet: those made later inherit the mask.
  if (::sigprocmask(SIG_BLOCK, &stop, &before_) < 0) throw sys_error("blocking signals");
  fd_ = Fd(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw sys_error("opening a signal descriptor");
}

bool StopSignals::is_asked() const noexcept {
  pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&readable, 1, 0) > 0;
}

void StopSignals::let_through() noexcept {
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace barewire
