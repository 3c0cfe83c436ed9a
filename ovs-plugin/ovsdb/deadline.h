// SPDX-License-Identifier: Apache-2.0
/// The point in time by which a database call gives up. Every call that may wait takes one, so that a whole ADD has one
/// limit, however many questions it takes. By the clock that nobody sets. Source: clock_gettime(2), CLOCK_MONOTONIC.
#pragma once

#include <poll.h>

#include <chrono>

namespace barewire::ovsdb {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

/// Milliseconds left, rounded up and never negative: what poll(2) takes.
int milliseconds_left(Deadline deadline);
inline bool has_passed(Deadline deadline) {
  return Clock::now() >= deadline;
}

/// Waits until `fd` is ready for one of `events` (poll(2)) or has failed; false when the deadline came first. Throws
/// Error{io}.
bool wait_until_ready(int fd, short events, Deadline deadline);

}  // namespace barewire::ovsdb
