// SPDX-License-Identifier: Apache-2.0
/// The part of the daemon that is a plugin of the container runtime: puts the VFs of claims into pods that no CNI
/// network brings them to. The thread "nri" listens to the runtime; "nri-pods" does what the runtime waits for;
/// "nri-catch-up" does what it does not wait for, so that this holds up no pod.
#pragma once

#include <spdlog/logger.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/fd.h"
#include "core/node.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/worker.h"
#include "device-manager/nri/attacher.h"
#include "device-manager/nri/session.h"

namespace barewire::daemon {

class NriSide {
 public:
  /// `node` and `loop` outlive it. Throws Error{io}.
  NriSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop);
  ~NriSide() { stop(); }
  NriSide(const NriSide&) = delete;
  NriSide& operator=(const NriSide&) = delete;

  /// The runtime's socket may have come. Of the loop's thread.
  void on_change();
  /// Ends its threads; a pod that is being attached is finished first.
  void stop();

 private:
  /// On the thread "nri": connects, serves, and does so again, until stop().
  void run();
  /// Until the socket may be there or `after` has passed. False once stop() was called.
  bool wait(std::chrono::milliseconds after);
  nri::Hooks hooks();
  /// On "nri-pods".
  void on_run(const nri::Sandbox& sandbox, nri::Deadline deadline, const nri::Reply& reply);
  void on_stop(const nri::Sandbox& sandbox, nri::Deadline deadline, const nri::Reply& reply);
  /// What could not be detached in time, and was answered already.
  void tidy();
  /// These on "nri-catch-up": one pod at a time.
  void catch_up();
  /// Goes on with what failed, and has itself called again while something is left.
  void try_again();

  std::string socket_, name_;
  std::shared_ptr<spdlog::logger> log_;
  EventLoop& loop_;
  EventLoop::Timer& retry_;
  Fd stop_;                                      ///< eventfd(2); readable once stop() was called
  Fd wake_;                                      ///< eventfd(2); readable when the socket may be there
  nri::Attacher attacher_;                       ///< of "nri-pods"
  nri::Attacher late_attacher_;                  ///< of "nri-catch-up", as the next two
  std::vector<nri::Sandbox> missed_;             ///< pods that were started while nobody was here
  std::map<std::string, nri::Sandbox> failing_;  ///< by id
  std::string said_;                             ///< of "nri": the last failure, which is logged once
  Worker pods_;
  Worker late_;
  std::thread thread_;  ///< last, so that it ends first
};

}  // namespace barewire::daemon
