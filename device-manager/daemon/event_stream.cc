// SPDX-License-Identifier: Apache-2.0
// A connection is resumed without the lock: the HTTP library has locks of its own. A suspended one cannot end before it
// is resumed, so what is taken out under the lock is still there.
#include "device-manager/daemon/event_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace barewire::daemon {

class EventStream::Listener {
 public:
  explicit Listener(Connection connection) : connection_(std::move(connection)) {}

 private:
  friend class EventStream;
  Connection connection_;
  std::chrono::steady_clock::time_point joined_ = std::chrono::steady_clock::now();
  // All under the stream's mutex.
  Frame frame_ = std::make_shared<const std::string>("retry: 3000\n\n");  ///< at hand
  std::size_t sent_ = 0;                                                  ///< of it
  std::map<std::string, std::uint64_t> had_;                              ///< by event: its number
  bool waits_ = false;                                                    ///< suspended
  bool is_due_comment_ = false;
};

std::shared_ptr<EventStream::Listener> EventStream::join(Connection connection) {
  auto listener = std::make_shared<Listener>(std::move(connection));
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || listeners_.size() >= kMostListeners) return nullptr;
    is_first = listeners_.empty();
    listeners_.push_back(listener);
  }
  if (is_first && on_first_) on_first_();
  return listener;
}

void EventStream::leave(const std::shared_ptr<Listener>& listener) {
  const std::lock_guard lock(mutex_);
  listeners_.remove(listener);
}

std::size_t EventStream::listeners() const {
  const std::lock_guard lock(mutex_);
  return listeners_.size();
}

void EventStream::resume_all(const std::function<void(Listener&)>& each) {
  // Until all are awake: who closes, and then stops the library, must not leave one asleep that another is about to
  // wake.
  const std::lock_guard waking(waking_);
  std::vector<std::shared_ptr<Listener>> waiting;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& listener : listeners_) {
      each(*listener);
      if (listener->waits_) waiting.push_back(listener);
      listener->waits_ = false;
    }
  }
  for (const auto& listener : waiting) listener->connection_.resume();
}

void EventStream::publish(const std::string& name, std::string_view data) {
  auto frame = std::make_shared<const std::string>(fmt::format("event: {}\ndata: {}\n\n", name, data));
  {
    const std::lock_guard lock(mutex_);
    latest_[name] = {std::move(frame), ++number_};
  }
  resume_all([](Listener&) {});
}

void EventStream::keep_alive() {
  resume_all([](Listener& listener) { listener.is_due_comment_ = true; });
}

void EventStream::forget() {
  const std::lock_guard lock(mutex_);
  latest_.clear();
}

void EventStream::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  resume_all([](Listener&) {});
}

EventStream::Frame EventStream::next_for(Listener& listener) {
  for (const auto& [name, latest] : latest_) {
    std::uint64_t& had = listener.had_[name];
    if (had >= latest.number) continue;
    had = latest.number;
    return latest.frame;
  }
  if (!listener.is_due_comment_) return nullptr;
  listener.is_due_comment_ = false;
  static const Frame kComment = std::make_shared<const std::string>(":\n\n");
  return kComment;
}

EventStream::Read EventStream::read(Listener& listener, char* to, std::size_t room) {
  const std::lock_guard lock(mutex_);
  if (listener.sent_ == listener.frame_->size()) {
    // Between two frames alone: half of one would be taken for a whole.
    if (closed_ || std::chrono::steady_clock::now() - listener.joined_ > kLongest) return {Outcome::ended};
    const Frame next = next_for(listener);
    if (next == nullptr) {
      listener.waits_ = true;
      listener.connection_.suspend();
      return {Outcome::suspended};
    }
    listener.frame_ = next;
    listener.sent_ = 0;
  }
  const std::size_t size = std::min(room, listener.frame_->size() - listener.sent_);
  std::copy_n(listener.frame_->data() + listener.sent_, size, to);
  listener.sent_ += size;
  return {Outcome::bytes, size};
}

}  // namespace barewire::daemon
