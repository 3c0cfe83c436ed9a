// SPDX-License-Identifier: Apache-2.0
// One deadline covers connecting, asking and waiting, whatever the server does in between.
#include "ovs-plugin/ovsdb/connection.h"

#include <signal.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

#include "core/error.h"
#include "core/trace.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"

namespace barewire::ovsdb {
namespace {

constexpr auto kPauseBeforeReconnecting = std::chrono::milliseconds(20);
constexpr unsigned kLongestMessage = 16 << 20;  ///< bytes: all that is asked for of a switch with thousands of ports
constexpr std::size_t kMostUpdates = 10'000;    ///< that nobody has asked for yet

/// Holds SIGPIPE back from this thread: the library's streams send without MSG_NOSIGNAL, and a server that went away is
/// an error to report, not the end of the process. Source: pthread_sigmask(3), sigtimedwait(2).
class HoldingBackSigpipe {
 public:
  HoldingBackSigpipe() noexcept {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  HoldingBackSigpipe(const HoldingBackSigpipe&) = delete;
  ~HoldingBackSigpipe() {
    const timespec no_time{};
    if (!was_pending_) {
      // Taken away before the mask is put back, or it would be delivered then. One that was pending before is not ours.
      while (sigtimedwait(&sigpipe_, nullptr, &no_time) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

bool is_update(const jsonrpc_msg& message) {
  return message.type == JSONRPC_NOTIFY &&
         (!std::strcmp(message.method, "update") || !std::strcmp(message.method, "update2")) &&
         message.params->type == JSON_ARRAY && message.params->array.n == 2;
}

}  // namespace

void Connection::RpcDeleter::operator()(jsonrpc* rpc) const noexcept {
  jsonrpc_close(rpc);
}
void Connection::MessageDeleter::operator()(jsonrpc_msg* message) const noexcept {
  jsonrpc_msg_destroy(message);
}

Connection Connection::open(Endpoint endpoint, Deadline deadline) {
  quieten_libopenvswitch();
  const trace::Span span("ovsdb", "connect");
  Connection connection(std::move(endpoint));
  connection.start_session(deadline);
  return connection;
}

void Connection::start_session(Deadline deadline) {
  // The old session goes first: its updates and its monitors are of no use in the new one.
  rpc_.reset();
  Transport transport = connect_to(endpoint_, deadline);
  stream* connected = nullptr;
  socket_ = transport.socket.get();
  const std::string name = endpoint_.text();
  // Both take over what they are given. AF_UNIX: TCP_NODELAY is set already.
  new_fd_stream(xstrdup(name.c_str()), transport.socket.release(), 0, AF_UNIX, &connected);
  rpc_.reset(jsonrpc_open(connected));
  helper_ = std::move(transport.helper);
  updates_.clear();
  received_before_ = 0;
  ++session_;
}

// A server that was there a moment ago is most likely restarting: unlike the first time, an unreachable one is tried
// again until the deadline. A refusal of any other kind (a wrong certificate) will not pass by waiting.
void Connection::reopen(Deadline deadline) {
  for (;;) {
    try {
      return start_session(deadline);
    } catch (const Error& error) {
      if (!error.is(Error::Code::try_again) || Clock::now() + kPauseBeforeReconnecting >= deadline) throw;
    }
    std::this_thread::sleep_for(kPauseBeforeReconnecting);
  }
}

bool Connection::is_open() const noexcept {
  return rpc_ && jsonrpc_get_status(rpc_.get()) == 0;
}

// Reads what has arrived meanwhile, the end of the stream included, so that a request is not sent into a dead session.
void Connection::ensure_open(Deadline deadline) {
  while (is_open()) {
    Message message = receive(Clock::now());
    if (!message || has_passed(deadline)) break;
    sort_out(std::move(message));
  }
  if (!is_open()) reopen(deadline);
}

void Connection::send(Message message) noexcept {
  const HoldingBackSigpipe holding;
  jsonrpc_send(rpc_.get(), message.release());
}

Connection::Message Connection::receive(Deadline deadline) {
  for (;;) {
    {
      const HoldingBackSigpipe holding;
      jsonrpc_run(rpc_.get());
    }
    const unsigned received = jsonrpc_get_received_bytes(rpc_.get());
    jsonrpc_msg* message = nullptr;
    const int status = jsonrpc_recv(rpc_.get(), &message);
    if (message) received_before_ = jsonrpc_get_received_bytes(rpc_.get());
    if (message) return Message(message);
    if (status == EPROTO) {
      throw Error(Error::Code::ovsdb,
                  fmt::format("talking to the Open vSwitch database at {} failed: what it sent is not "
                              "JSON-RPC",
                              endpoint_.text()),
                  "is that address an OVSDB server's?");
    }
    if (status != EAGAIN) return nullptr;
    require_bounded();
    // jsonrpc_recv reads so much per call; more may be waiting where poll(2) cannot see it.
    const bool may_hold_more = jsonrpc_get_received_bytes(rpc_.get()) != received && !has_passed(deadline);
    const short events = static_cast<short>(POLLIN | (jsonrpc_get_backlog(rpc_.get()) ? POLLOUT : 0));
    if (!may_hold_more && !wait_until_ready(socket_, events, deadline)) return nullptr;
  }
}

void Connection::throw_unbounded(const std::string& what) {
  rpc_.reset();
  throw Error(Error::Code::ovsdb,
              fmt::format("talking to the Open vSwitch database at {} failed: it sent {} ", endpoint_.text(), what),
              "is that address the database of this node's switch?");
}

// A JSON value takes some twenty times the memory of its text.
void Connection::require_bounded() {
  const unsigned since = jsonrpc_get_received_bytes(rpc_.get()) - received_before_;
  if (since > kLongestMessage) throw_unbounded(fmt::format("a message of more than {} bytes", kLongestMessage));
}

// Keeps updates for later, answers the server's probes, and hands back only what may be an answer.
Connection::Message Connection::sort_out(Message message) {
  if (is_update(*message)) {
    if (updates_.size() >= kMostUpdates) throw_unbounded(fmt::format("more than {} updates", kMostUpdates));
    // Kept, since a monitor's update may come between a request and its answer.
    updates_.emplace_back(json_clone(message->params));
    return nullptr;
  }
  if (message->type == JSONRPC_REQUEST && !std::strcmp(message->method, "echo")) {
    // ovsdb-server closes a session that leaves its probes unanswered. Source: RFC 7047, 4.1.11 "Echo".
    send(Message(jsonrpc_create_reply(json_clone(message->params), message->id)));
    return nullptr;
  }
  return message->type == JSONRPC_REPLY || message->type == JSONRPC_ERROR ? std::move(message) : nullptr;
}

std::optional<Connection::Answer> Connection::await_answer(const json& id, const char* method, Deadline deadline) {
  for (;;) {
    Message message = receive(deadline);
    // Closed while the answer was due. The caller knows whether asking again is safe.
    if (!message && !is_open()) return std::nullopt;
    if (message) message = sort_out(std::move(message));
    const bool is_it = message && json_equal(message->id, &id);
    if (!is_it && has_passed(deadline)) {
      throw Error(Error::Code::try_again,
                  fmt::format("waiting for the Open vSwitch database at {} to answer \"{}\" failed: "
                              "no answer in time",
                              endpoint_.text(), method),
                  "ovsdb-server is hung or overloaded; what was asked may still be carried out");
    }
    if (!is_it) continue;  // a server that talks of other things all the time is no answer either
    Answer answer;
    (message->type == JSONRPC_REPLY ? answer.result : answer.error)
        .reset(json_clone(message->type == JSONRPC_REPLY ? message->result : message->error));
    return answer;
  }
}

Connection::Answer Connection::call(const char* method, const JsonPtr& params, Deadline deadline, Repeat repeat) {
  const trace::Span span("ovsdb", method);
  for (;;) {
    ensure_open(deadline);
    json* id_reference = nullptr;
    Message request(jsonrpc_create_request(method, json_clone(params.get()), &id_reference));
    const JsonPtr id(id_reference);
    send(std::move(request));
    if (auto answer = await_answer(*id, method, deadline)) return *std::move(answer);
    if (repeat == Repeat::forbidden || has_passed(deadline)) {
      throw Error(Error::Code::try_again,
                  fmt::format("waiting for the Open vSwitch database at {} to answer \"{}\" failed: "
                              "it closed the connection",
                              endpoint_.text(), method),
                  "ovsdb-server went down; what was asked may or may not have been carried out");
    }
    // Only reads come here again: a change may have been carried out before the answer was lost.
    std::this_thread::sleep_for(kPauseBeforeReconnecting);
  }
}

JsonPtr Connection::take_queued_update(const std::string& id) {
  for (auto update = updates_.begin(); update != updates_.end(); ++update) {
    const struct json_array& params = (*update)->array;
    if (params.elems[0]->type != JSON_STRING || id != params.elems[0]->string) continue;
    JsonPtr found(json_clone(params.elems[1]));
    updates_.erase(update);
    return found;
  }
  return nullptr;
}

JsonPtr Connection::next_update(const std::string& id, Deadline deadline) {
  // Another request may open the connection anew, and its monitors are gone then.
  const unsigned session = session_;
  while (is_open() && session == session_) {
    if (JsonPtr update = take_queued_update(id)) return update;
    Message message = receive(deadline);
    if (!message) break;
    sort_out(std::move(message));
    if (has_passed(deadline)) break;
  }
  return take_queued_update(id);
}

void Connection::send_unawaited(const char* method, JsonPtr params) noexcept {
  if (is_open()) send(Message(jsonrpc_create_request(method, params.release(), nullptr)));
}

std::string Connection::Answer::refusal() const {
  if (!error) return {};
  // A plain string, or an <error> object of RFC 7047 5.1 with the tag in "error".
  const json* tag = error.get();
  if (tag->type == JSON_OBJECT) tag = static_cast<const json*>(shash_find_data(tag->object, "error"));
  return tag && tag->type == JSON_STRING ? tag->string : "an error of unknown form";
}

}  // namespace barewire::ovsdb
