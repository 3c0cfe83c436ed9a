// SPDX-License-Identifier: Apache-2.0
/// sd-event behind C++ callbacks.
/// One thread runs it; post() alone may be called from others. Callbacks must not throw through the C library, so they
/// are called within call().
#include "device-manager/daemon/event_loop.h"

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <array>

#include "core/error.h"

namespace barewire::daemon {
namespace {

/// sd-event answers with a negative errno.
void require(int rc, std::string_view doing) {
  if (rc < 0) throw errno_error(-rc, doing);
}

std::uint64_t microseconds(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)) * 1000;
}

}  // namespace

EventLoop::EventLoop(std::function<void(std::string_view)> on_failure)
    : on_failure_(std::move(on_failure)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) throw sys_error("making an event descriptor");
  require(::sd_event_new(&event_), "making an event loop");
  watch(wake_.get(), [this] { run_posted(); });
}

EventLoop::~EventLoop() {
  // Before the loop they hang on. Source: sd_event_source_unref(3).
  for (const Source& source : sources_) ::sd_event_source_unref(source.source);
  ::sd_event_unref(event_);
}

void EventLoop::watch(int fd, Callback callback) {
  constexpr std::uint32_t kReadable = 1;  // EPOLLIN
  Source& source = sources_.emplace_back(Source{this, std::move(callback)});
  require(::sd_event_add_io(event_, &source.source, fd, kReadable, on_readable, &source), "watching a descriptor");
}

EventLoop::Timer& EventLoop::add_timer(Callback callback) {
  Source& source = sources_.emplace_back(Source{this, std::move(callback)});
  require(::sd_event_add_time(event_, &source.source, CLOCK_MONOTONIC, 0, 0, on_time, &source), "making a timer");
  // A new timer is armed (SD_EVENT_ONESHOT), for the time 0: it would fire at once.
  ::sd_event_source_set_enabled(source.source, SD_EVENT_OFF);
  source.timer.source_ = source.source;
  return source.timer;
}

void EventLoop::Timer::set(std::chrono::milliseconds after) {
  ::sd_event_source_set_time_relative(source_, microseconds(after));
  ::sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT);
}

bool EventLoop::Timer::is_set() const {
  int enabled = SD_EVENT_OFF;
  ::sd_event_source_get_enabled(source_, &enabled);
  return enabled != SD_EVENT_OFF;
}

void EventLoop::post(Callback work) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  // Full (EAGAIN) means that the loop will wake anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::run_posted() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(wake_.get(), &count, sizeof count);
  // Taken out under the lock and run without it: work may post more.
  std::vector<Callback> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(posted_);
  }
  for (const Callback& each : work) call(each);
}

void EventLoop::run() {
  require(::sd_event_loop(event_), "running the event loop");
}

void EventLoop::stop() {
  ::sd_event_exit(event_, 0);
}

void EventLoop::call(const Callback& callback) noexcept {
  try {
    callback();
  } catch (const std::exception& failure) {
    on_failure_(failure.what());
  }
}

int EventLoop::on_readable(sd_event_source*, int, std::uint32_t, void* source) noexcept {
  const auto* self = static_cast<Source*>(source);
  self->loop->call(self->callback);
  return 0;
}

int EventLoop::on_time(sd_event_source*, std::uint64_t, void* source) noexcept {
  return on_readable(nullptr, -1, 0, source);
}

}  // namespace barewire::daemon
