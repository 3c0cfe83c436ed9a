// SPDX-License-Identifier: Apache-2.0
/// Sits between a client and a database server on a unix socket: answers what the test wants answered wrongly, passes
/// on the rest to a real server, and counts the bytes. With no server behind it, it is a fake one.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <boost/json.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/fd.h"

namespace barewire::test {

/// What to do with a request.
struct Treatment {
  enum class Kind { pass_on, say, close, stay_silent };
  Kind kind = Kind::pass_on;
  std::string bytes;  ///< for say: sent as they are

  static Treatment say(std::string raw) { return {Kind::say, std::move(raw)}; }
  /// `result` as the answer to `request`.
  static Treatment answer(const boost::json::object& request, std::string_view result);
};

class OvsdbRelay {
 public:
  using Treat = std::function<Treatment(const boost::json::object& request)>;

  /// Listens at `path`. `server`: socket of the real server; empty: there is none. Throws Error.
  OvsdbRelay(const std::string& path, std::string server, Treat treat);
  OvsdbRelay(const OvsdbRelay&) = delete;
  ~OvsdbRelay();

  std::size_t bytes_to_server() const { return to_server_; }
  std::size_t bytes_to_client() const { return to_client_; }
  std::size_t sessions() const { return sessions_; }
  /// Methods asked for, in order.
  std::vector<std::string> methods() const;

 private:
  void serve();
  void serve_one(Fd client);
  bool from_client(int client, int server, boost::json::stream_parser& parser);
  bool treat_request(const boost::json::value& request, int client, int server);

  std::string path_;
  std::string server_path_;
  Treat treat_;
  Fd listener_;
  Fd stop_;  // eventfd(2): readable when it is time to end
  std::atomic<std::size_t> to_server_ = 0;
  std::atomic<std::size_t> to_client_ = 0;
  std::atomic<std::size_t> sessions_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> methods_;
  std::thread thread_;
};

}  // namespace barewire::test
