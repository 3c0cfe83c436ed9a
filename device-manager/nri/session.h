// SPDX-License-Identifier: Apache-2.0
/// What is said on one connection to a container runtime: we register, the runtime configures us and tells what runs,
/// then it asks at each start and end of a pod. connection.h has the socket; whoever answers may do so from another
/// thread, later. Source: containerd/nri, pkg/stub and pkg/adaptation; containerd/ttrpc, server.go.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "device-manager/nri/frames.h"
#include "device-manager/nri/messages.h"

namespace barewire::nri {

using Deadline = std::chrono::steady_clock::time_point;
/// Ends one call: empty, or why it failed. From any thread, once; after the connection has ended it does nothing.
using Reply = std::function<void(const std::string& failure)>;

/// Who acts on what the runtime says. Called on the connection's thread; what takes time is handed on.
struct Hooks {
  std::function<void(const Configuration&)> configured;
  /// All that runs; nobody waits.
  std::function<void(std::vector<Sandbox>)> synchronize;
  /// The runtime drops a plugin that has not answered by `deadline`.
  std::function<void(const Sandbox&, Deadline deadline, Reply)> run;
  std::function<void(const Sandbox&, Deadline deadline, Reply)> stop;  ///< RemovePodSandbox, too
};

/// One connection's life. Of one thread but for replies.
class Session {
 public:
  /// `send` may be called by any thread, whole messages each time, for as long as a Reply lives.
  Session(std::string name, Hooks hooks, std::function<void(const std::string&)> send);

  /// Registers. Runtimes call plugins in the order of their indices.
  void start();
  /// What came. Throws Error when the connection has to be given up: the runtime refused us, or what it sends cannot be
  /// followed.
  void receive(std::string_view bytes);
  /// Until then the runtime has a few seconds: one that does not speak NRI would be waited for without end.
  bool is_configured() const noexcept { return configured_; }

 private:
  using Work = std::function<Answer(const Call&)>;
  void on_call(const Message& message);
  /// To our registration, the one call that we make.
  void on_answer(const Message& message);
  /// Calls that are answered at once; false when `call` is none of them. Throws Error{decode}.
  bool answer_at_once(const Message& message, const Call& call);
  Answer synchronize(const Call& call);
  /// Start or end of a pod, or a method that is none of ours.
  void hand_over(const Message& message, const Call& call);
  void tell_of(const Message& message, Event event, const Sandbox& sandbox, std::chrono::nanoseconds timeout);
  void answer(const Message& message, const Answer& answer) const;
  /// Why a message starts no call; empty when it does.
  std::string find_fault(const Message& message) const;

  std::string name_;
  Hooks hooks_;
  std::function<void(const std::string&)> send_;
  Decoder decoder_;
  Configuration configuration_;
  std::uint32_t last_stream_ = 0;  ///< streams of calls are odd and rise
  std::vector<Sandbox> running_;   ///< parts of Synchronize so far
  bool registered_ = false, configured_ = false;
};

}  // namespace barewire::nri
