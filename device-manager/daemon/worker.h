// SPDX-License-Identifier: Apache-2.0
/// A named thread that does one piece of work after another, in the order posted: what may block stays off the event
/// loop (event_loop.h). Work that has to answer posts to the loop.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace barewire::daemon {

/// Work runs on its thread alone, so what only work touches needs no lock.
class Worker {
 public:
  using Work = std::function<void()>;
  /// `name` is what ps and gdb show, 15 bytes at most; `on_failure` hears, on the thread, what a piece of work threw.
  Worker(std::string name, std::function<void(std::string_view)> on_failure);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Waits for the work at hand; the rest is dropped.
  ~Worker();

  /// From any thread.
  void post(Work work);
  /// Drops what waits, and waits for the work at hand; nothing is taken any more.
  void stop();

 private:
  /// The thread's own.
  void run();

  std::function<void(std::string_view)> on_failure_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;  ///< under mutex_
  bool stopping_ = false;   ///< under mutex_
  std::thread thread_;
};

}  // namespace barewire::daemon
