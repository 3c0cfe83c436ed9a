// SPDX-License-Identifier: Apache-2.0
/// How long to leave the API server alone after it failed: twice as long each time, up to a minute. Pure logic.
#pragma once

#include <algorithm>
#include <chrono>

namespace barewire::kubernetes {

/// One for each thing that may fail by itself. The clock is the caller's, so that tests need not wait.
class Backoff {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// May it be tried at `now`?
  bool is_due(Time now) const { return now >= next_; }
  /// Until it may be; zero when it is due. Rounded up: a timer of this length does not come too early.
  std::chrono::milliseconds left(Time now) const {
    return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(next_ - now));
  }
  /// Counted from the failure, not from the request, which may have taken its whole timeout.
  void failed(Time now) {
    next_ = now + delay_;
    delay_ = std::min(delay_ * 2, kMost);
  }
  /// The next failure begins with the shortest wait again.
  void succeeded() {
    delay_ = kFirst;
    next_ = {};
  }

  static constexpr std::chrono::milliseconds kFirst{500};
  static constexpr std::chrono::milliseconds kMost{60'000};

 private:
  std::chrono::milliseconds delay_ = kFirst;
  Time next_{};
};

}  // namespace barewire::kubernetes
