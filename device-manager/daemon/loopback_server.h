// SPDX-License-Identifier: Apache-2.0
/// HTTP on loopback, read-only, on a thread of its own beside the event loop: what asks, however slowly or often, does
/// not hold up the daemon. Knows nothing of what it serves: that are the routes of metrics_side.h. Built on
/// libmicrohttpd. Nothing is served unless an option asks for it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "device-manager/daemon/event_stream.h"

struct MHD_Daemon;

namespace barewire::daemon {

/// "127.0.0.1:9808", "[::1]:9808", "localhost:9808"; port 0: one that is free. Throws Error{config} for an address that
/// is not loopback: whoever reaches the port learns the pods of the node.
struct ListenAddress {
  std::string host;  ///< "127.0.0.1" or "::1"
  std::uint16_t port = 0;
};
ListenAddress parse_listen_address(std::string_view text);

/// Whether a request's Host is this machine by name or address: a page of the web whose name leads here by DNS is not.
bool is_own_host(std::string_view host);

struct Answer {
  unsigned status = 200;
  std::string_view content_type;  ///< of static storage
  std::shared_ptr<const std::string> body;
};
/// Of one line.
Answer text_answer(unsigned status, std::string_view line);

/// One path, answered in one of three ways.
struct Route {
  std::string path;
  std::function<Answer()> now{};  ///< of the server's thread, so it must be quick
  /// Elsewhere and later: `reply` once, from any thread. `argument` is the value of the query's `takes`, "" without.
  using Reply = std::function<void(Answer)>;
  std::function<void(const std::string& argument, Reply reply)> later{};
  std::string takes{};
  EventStream* events = nullptr;  ///< outlives the server
};

/// A text that is made when somebody asks, and not again while it is fresh: however many ask, the node is looked at
/// once. From any thread; who comes while one is made waits for that one.
class RecentText {
 public:
  explicit RecentText(std::function<std::string()> make) : make_(std::move(make)) {}
  std::shared_ptr<const std::string> get();

 private:
  static constexpr std::chrono::milliseconds kFresh{500};
  std::function<std::string()> make_;
  std::mutex mutex_;
  std::shared_ptr<const std::string> text_;       ///< under mutex_
  std::chrono::steady_clock::time_point made_{};  ///< under mutex_
};

/// Answers GET and HEAD of its routes, and to nobody that calls this machine by another name.
class LoopbackServer {
 public:
  /// Serves from now on. Throws Error{io} when it cannot listen there.
  LoopbackServer(const ListenAddress& address, std::vector<Route> routes);
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  /// Ends its thread and all connections; a reply that comes later goes nowhere.
  ~LoopbackServer();

  /// The one that is listened on, also where 0 was asked for.
  std::uint16_t port() const;

 private:
  struct Serving;  ///< what the library's callbacks work on
  std::shared_ptr<Serving> serving_;
  MHD_Daemon* server_ = nullptr;
};

}  // namespace barewire::daemon
