// SPDX-License-Identifier: Apache-2.0
/// Waiting for a condition, for what happens in another process.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace barewire::test {

/// Asks until `done` or `limit` has passed; the last answer.
inline bool within(std::chrono::milliseconds limit, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return done();
}

}  // namespace barewire::test
