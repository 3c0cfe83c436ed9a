// SPDX-License-Identifier: Apache-2.0
/// A JSON-RPC session with an OVSDB server. transaction.h and monitor.h say what goes over it; endpoint.h where it
/// goes. Source: RFC 7047, section 4; ovsdb-server(7).
///
/// NOTE Threading: a Connection belongs to one thread; the library starts none.
/// NOTE Signals and logs: no handler is installed, SIGPIPE is held back while sending, nothing is logged.
/// NOTE Reconnecting: a session found closed is opened anew before the next request. What was under way when it closed
/// is repeated only if repeating cannot do anything twice.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "ovs-plugin/ovsdb/deadline.h"
#include "ovs-plugin/ovsdb/endpoint.h"
#include "ovs-plugin/ovsdb/transport.h"
#include "ovs-plugin/ovsdb/wire.h"

struct jsonrpc;
struct jsonrpc_msg;

namespace barewire::ovsdb {

class Connection {
 public:
  /// Throws Error{try_again} saying what is down when the server cannot be reached by `deadline`.
  static Connection open(Endpoint endpoint, Deadline deadline);

  /// What the server says to a request: `result`, or `error` when it refused the request as a whole (not the same as an
  /// operation of a transaction refused). Source: RFC 7047, 4.1.
  struct Answer {
    JsonPtr result;
    JsonPtr error;
    /// "unknown method", "unknown database", …; empty when there is no error.
    std::string refusal() const;
  };
  /// May a request whose outcome is unknown, because the session closed, be sent again?
  enum class Repeat { allowed, forbidden };

  /// Sends a request and waits for its answer. `params` is a JSON array. Throws Error{try_again} when the server is not
  /// there, is lost, or is silent until `deadline`; Error{ovsdb} when what it says is not JSON-RPC.
  Answer call(const char* method, const JsonPtr& params, Deadline deadline, Repeat repeat);

  /// An `update` or `update2` notification for the monitor called `id` (RFC 7047, 4.1.6): what follows the id.
  /// nullptr when none came by `deadline`, or when the session that monitored is over: see session().
  JsonPtr next_update(const std::string& id, Deadline deadline);
  /// Sends a request whose answer nobody waits for, if the session still is up.
  void send_unawaited(const char* method, JsonPtr params) noexcept;

  /// Grows with each reconnection; monitors end with the session they were made in.
  unsigned session() const noexcept { return session_; }
  /// Whether the session was up when last looked at; the server may have closed it since.
  bool is_open() const noexcept;
  /// For messages, and for a second Connection.
  const Endpoint& endpoint() const noexcept { return endpoint_; }
  /// A name for a monitor or a named-uuid that this Connection has not used before.
  std::string unique_name(std::string_view prefix) { return fmt::format("{}{}", prefix, ++names_); }

 private:
  struct RpcDeleter {
    void operator()(jsonrpc* rpc) const noexcept;
  };
  struct MessageDeleter {
    void operator()(jsonrpc_msg* message) const noexcept;
  };
  using Message = std::unique_ptr<jsonrpc_msg, MessageDeleter>;

  explicit Connection(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}
  /// Connects anew. What waited in the old session is dropped.
  void start_session(Deadline deadline);
  /// As start_session, tried again until `deadline` while the server cannot be reached.
  void reopen(Deadline deadline);
  /// After it the session was up a moment ago; the server may have closed it since.
  void ensure_open(Deadline deadline);
  /// A session that fails on the way is found out by the next receive().
  void send(Message message) noexcept;
  /// The next message; null at the deadline.
  Message receive(Deadline deadline);
  /// Null when `message` was none that an answer could be.
  Message sort_out(Message message);
  /// Ends the session: what is half read cannot be gone on with.
  [[noreturn]] void throw_unbounded(const std::string& what);
  /// A server that is not one may send without end: what is not whole after a size is refused.
  void require_bounded();
  /// nullopt when the session ended first.
  std::optional<Answer> await_answer(const json& id, const char* method, Deadline deadline);
  /// The oldest one for that monitor; nullptr when none waits.
  JsonPtr take_queued_update(const std::string& id);

  Endpoint endpoint_;
  Helper helper_;
  std::unique_ptr<jsonrpc, RpcDeleter> rpc_;  // owns the socket
  /// Borrowed from rpc_, for poll(2)
  int socket_ = -1;
  std::deque<JsonPtr> updates_;  // params of notifications not asked for yet
  unsigned session_ = 0;
  unsigned received_before_ = 0;  // bytes, when the last message was whole; wraps
  std::uint64_t names_ = 0;
};

}  // namespace barewire::ovsdb
