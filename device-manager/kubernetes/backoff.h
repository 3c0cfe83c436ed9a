// SPDX-License-Identifier: Apache-2.0
/// How long to leave the API server alone after it failed: twice as long each time, up to a minute. Pure logic.
#pragma once

#include <algorithm>
#include <chrono>

namespace barewire::kubernetes {

class Backoff {
 public:
  using Time = std::chrono::steady_clock::time_point;

  bool is_due(Time now) const { return now >= next_; }
  std::chrono::milliseconds left(Time now) const {
    return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(next_ - now));
  }
  void failed(Time now) {
    next_ = now + delay_;
    delay_ = std::min(delay_ * 2, kMost);
  }
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
