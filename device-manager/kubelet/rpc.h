// SPDX-License-Identifier: Apache-2.0
/// Remote calls over unix sockets as kubelet makes and takes them: gRPC behind an interface of bytes, so that two files
/// of the daemon compile its headers and no one else. Messages are serialised protobuf; what they say is for the
/// callers of this file.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/error.h"

namespace barewire::kubelet {

/// Source: gRPC's status codes, doc/statuscodes.md of its project.
enum class RpcCode {
  ok = 0,
  invalid_argument = 3,
  not_found = 5,
  failed_precondition = 9,
  unavailable = 14,
  internal = 13
};

struct RpcAnswer {
  RpcCode code = RpcCode::ok;
  std::string bytes{};    ///< of ok
  std::string message{};  ///< of the others
};

/// The server's end of a stream on which only the latest message counts: one that was not sent yet when the next came
/// is left out. Any thread may use it; it outlives its server and does nothing then.
class RpcStream {
 public:
  virtual ~RpcStream() = default;
  /// Never waits for the caller: a kubelet that reads slowly gets the newest message when it comes to read.
  virtual void write(const std::string& bytes) = 0;
  /// False once the caller has gone.
  virtual bool is_open() const = 0;
};

/// "/package.Service/Method" → what answers it. Called on a thread of the server's; a unary one calls `reply` once,
/// from any thread. A stream's handler gets the end to write to once the request has come; the request itself says
/// nothing in these APIs. A method that is in neither is answered with UNIMPLEMENTED.
struct RpcMethods {
  using Reply = std::function<void(RpcAnswer)>;
  std::map<std::string, std::function<void(std::string request, Reply reply)>> unary{};
  std::map<std::string, std::function<void(std::shared_ptr<RpcStream>)>> streams{};
  /// The caller of a stream has gone, while the server goes on.
  std::function<void()> on_stream_end{};
};

/// Threads are gRPC's; methods are called on them, so they hand their work on (RpcMethods).
class RpcServer {
 public:
  /// Listens at `socket_path`, with access for root alone; what is there is replaced. Throws Error{environment} for a
  /// path that is too long, Error{io} when it cannot be listened on.
  RpcServer(const std::string& socket_path, RpcMethods methods);
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;
  /// Ends every call and removes the socket, unless another listens there by now.
  ~RpcServer();

  const std::string& socket_path() const noexcept { return socket_path_; }
  /// Does the path still lead to this server's socket? kubelet removes those in its directory when it starts. Told by
  /// inode, since another server may have taken the path.
  bool is_reachable() const;

  class Impl;

 private:
  std::string socket_path_;
  std::unique_ptr<Impl> impl_;
};

/// One unary call. Throws Error{io} naming socket, method and what the other end said, also after `timeout`. Blocks; a
/// new connection each time. Throws Error{environment} for a path that is too long for a socket.
std::string rpc_call(const std::string& socket_path, const std::string& method, const std::string& request,
                     std::chrono::milliseconds timeout);

}  // namespace barewire::kubelet
