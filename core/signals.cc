// SPDX-License-Identifier: Apache-2.0
#include "core/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "core/error.h"

namespace barewire {

Fd open_stop_signals() {
  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTERM);
  ::sigaddset(&stop, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &stop, nullptr) < 0) throw sys_error("blocking signals");
  Fd fd(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw sys_error("opening a signal descriptor");
  return fd;
}

}  // namespace barewire
