// SPDX-License-Identifier: Apache-2.0
/// /metrics and /healthz over HTTP on loopback, on a thread of its own beside the event loop: what asks, however slowly
/// or often, does not hold up the daemon. Built on libmicrohttpd. Nothing is served unless an option asks for it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

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

/// Answers GET and HEAD of two paths, and to nobody that calls this machine by another name.
class MetricsServer {
 public:
  struct Sources {
    std::function<std::string()> metrics;  ///< the page; of the server's thread, one at a time
    std::function<bool()> is_well;         ///< of the server's thread
  };
  /// Serves from now on. Throws Error{io} when it cannot listen there.
  MetricsServer(const ListenAddress& address, Sources sources);
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  /// Ends its thread and all connections.
  ~MetricsServer();

  /// The one that is listened on, also where 0 was asked for.
  std::uint16_t port() const;

  /// What is answered to a request; public for its test.
  struct Answer {
    unsigned status = 200;
    std::string_view content_type;
    std::shared_ptr<const std::string> body;
  };
  Answer answer(std::string_view method, std::string_view path, std::string_view host);

 private:
  /// Not older than kFresh. Who comes while one is made waits for that one.
  std::shared_ptr<const std::string> page();

  Sources sources_;
  /// Asked for more often than this, the page is the same one: however many ask, the node is looked at once.
  static constexpr std::chrono::milliseconds kFresh{500};
  std::mutex mutex_;
  std::shared_ptr<const std::string> page_;            ///< under mutex_
  std::chrono::steady_clock::time_point page_made_{};  ///< under mutex_
  MHD_Daemon* server_ = nullptr;
};

}  // namespace barewire::daemon
