// SPDX-License-Identifier: Apache-2.0
// Time left is rounded up: rounded down, the last millisecond would be spent asking poll(2) again and again.
#include "ovs-plugin/ovsdb/deadline.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "core/error.h"

namespace barewire::ovsdb {

int milliseconds_left(Deadline deadline) {
  using std::chrono::milliseconds;
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<milliseconds::rep>(left, 0, std::numeric_limits<int>::max()));
}

bool wait_until_ready(int fd, short events, Deadline deadline) {
  pollfd waiting{fd, events, 0};
  for (;;) {
    const int ready = poll(&waiting, 1, milliseconds_left(deadline));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) throw sys_error("waiting for the Open vSwitch database");
  }
}

}  // namespace barewire::ovsdb
