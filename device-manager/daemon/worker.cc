// SPDX-License-Identifier: Apache-2.0
/// A queue and the thread that empties it.
/// Work that waits when stop() comes is dropped; work that runs is waited for, so that nothing is left half-done.
#include "device-manager/daemon/worker.h"

#include <pthread.h>

namespace barewire::daemon {

Worker::Worker(std::string name, std::function<void(std::string_view)> on_failure)
    : on_failure_(std::move(on_failure)), thread_([this] { run(); }) {
  // The kernel keeps 15 characters and refuses more. Source: pthread_setname_np(3).
  ::pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

Worker::~Worker() {
  stop();
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    // Dropped, not done: kubelet asks again, and the next daemon looks anew.
    queue_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Worker::post(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void Worker::run() {
  while (true) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      work();
    } catch (const std::exception& failure) {
      on_failure_(failure.what());
    }
  }
}

}  // namespace barewire::daemon
