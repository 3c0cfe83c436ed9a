// SPDX-License-Identifier: Apache-2.0
/// The daemon's one loop: descriptors, timers and work handed over by other threads, on libsystemd's sd-event. What may
/// block (plugins, locks, requests) does not run here but on a named thread of its own, worker.h.
/// Source: sd-event(3).
#pragma once

#include <systemd/sd-event.h>

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "core/fd.h"

namespace barewire::daemon {

/// One of the daemon. All but post() is for the thread that runs it, or before it runs.
class EventLoop {
 public:
  using Callback = std::function<void()>;
  /// `on_failure` hears what a callback threw; the loop goes on. Throws Error{io}.
  explicit EventLoop(std::function<void(std::string_view)> on_failure);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  /// Calls back whenever `fd`, which outlives the loop, is readable. Throws Error{io}.
  void watch(int fd, Callback callback);

  /// Calls back once, each time after it was set. Of the loop's thread alone.
  class Timer {
   public:
    void set(std::chrono::milliseconds after);  ///< from now; takes the place of what was set
    bool is_set() const;                        ///< not once it has called back

   private:
    friend class EventLoop;
    sd_event_source* source_ = nullptr;
  };
  /// Lives as long as the loop. Throws Error{io}.
  Timer& add_timer(Callback callback);

  /// Runs `work` on the loop's thread. From any thread; what is posted after the loop has ended is dropped.
  void post(Callback work);
  /// Until `stop`. Throws Error{io}.
  void run();
  /// Of the loop's thread.
  void stop();

 private:
  /// What sd-event hands back with each call.
  struct Source {
    EventLoop* loop;
    Callback callback;
    sd_event_source* source = nullptr;
    Timer timer{};
  };
  /// sd-event's callbacks: C, so nothing may be thrown through them.
  static int on_readable(sd_event_source*, int, std::uint32_t, void* source) noexcept;
  static int on_time(sd_event_source*, std::uint64_t, void* source) noexcept;
  /// What it throws goes to on_failure_.
  void call(const Callback& callback) noexcept;
  /// What has been posted so far; what that posts comes at the next turn.
  void run_posted();

  std::function<void(std::string_view)> on_failure_;
  sd_event* event_ = nullptr;  ///< this loop's own, not the thread's default
  std::list<Source> sources_;  ///< a list: sd-event has their addresses
  /// An eventfd: post() makes it readable, since sd-event belongs to the loop's thread. Source: eventfd(2).
  Fd wake_;
  std::mutex mutex_;
  std::vector<Callback> posted_;  ///< under mutex_
};

}  // namespace barewire::daemon
