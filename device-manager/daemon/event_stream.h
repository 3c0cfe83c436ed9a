// SPDX-License-Identifier: Apache-2.0
/// Server-sent events for any number of browsers up to a limit. Of each event the latest alone is kept, once for all
/// listeners: who reads slowly misses the ones in between, and nothing is stored up for anybody. loopback_server.h
/// carries them over HTTP. Source: HTML Living Standard, "Server-sent events".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace barewire::daemon {

/// All of it from any thread.
class EventStream {
 public:
  /// A page takes one; more than these are refused.
  static constexpr std::size_t kMostListeners = 32;
  /// Then it ends, and the browser joins again: one that only pretends to read does not keep its place for ever.
  static constexpr std::chrono::minutes kLongest{15};

  /// What one connection is doing.
  class Listener;
  /// How a connection is held while there is nothing for it.
  struct Connection {
    std::function<void()> suspend;  ///< called within read(), before an event can come
    std::function<void()> resume;   ///< called once after each suspend
  };

  /// `on_first`: somebody listens, after nobody did; called within join().
  explicit EventStream(std::function<void()> on_first) : on_first_(std::move(on_first)) {}
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// nullptr when there are as many as there may be, or it is closed. The newest of each event comes first.
  std::shared_ptr<Listener> join(Connection connection);
  void leave(const std::shared_ptr<Listener>& listener);
  std::size_t listeners() const;

  /// `data` is one line. Takes the place of the last event of this name, for who has not had it yet.
  void publish(const std::string& name, std::string_view data);
  /// A comment for who waits: it shows whether anybody is there.
  void keep_alive();
  /// What was published is out of date: who joins gets what is published from now on.
  void forget();
  /// Ends every stream; nobody joins any more.
  void close();

  enum class Outcome { bytes, suspended, ended };
  struct Read {
    Outcome outcome = Outcome::bytes;
    std::size_t size = 0;
  };
  /// The next bytes for `listener`, at most `room`.
  Read read(Listener& listener, char* to, std::size_t room);

 private:
  using Frame = std::shared_ptr<const std::string>;
  struct Latest {
    Frame frame;
    std::uint64_t number = 0;  ///< rises with each publication
  };
  /// What the listener has not had yet; nullptr: nothing. Under mutex_.
  Frame next_for(Listener& listener);
  /// Wakes all that wait.
  void resume_all(const std::function<void(Listener&)>& each);

  std::function<void()> on_first_;
  std::mutex waking_;  ///< taken before mutex_, and held while connections are resumed
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<Listener>> listeners_;  ///< under mutex_, as all that follows
  std::map<std::string, Latest> latest_;            ///< sent in the order of their names
  std::uint64_t number_ = 0;
  bool closed_ = false;
};

}  // namespace barewire::daemon
