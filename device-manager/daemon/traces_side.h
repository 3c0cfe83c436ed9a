// SPDX-License-Identifier: Apache-2.0
/// The part of the daemon that sends traces (device-manager/traces/outbox.h). Only where an option asks for it: then it
/// makes the directory in which plugins leave their spans, and takes them from there. Sending, which may wait for a
/// collector, is the work of the thread "traces".
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "core/node.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/worker.h"
#include "device-manager/kubernetes/api_client.h"
#include "device-manager/kubernetes/backoff.h"
#include "device-manager/traces/outbox.h"

namespace barewire::daemon {

/// Made when the loop is there, and gone before it.
class TracesSide {
 public:
  /// `loop` outlives it. Throws Error{config}, {io}.
  TracesSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop);
  TracesSide(const TracesSide&) = delete;
  TracesSide& operator=(const TracesSide&) = delete;

 private:
  /// Of the loop's thread: has the worker send.
  void tick();
  /// On the worker. How long until the next.
  std::chrono::milliseconds send();
  void tell_counts();

  std::shared_ptr<spdlog::logger> log_;
  EventLoop& loop_;
  EventLoop::Timer& timer_;
  // Of the worker.
  kubernetes::ApiClient api_;
  traces::Outbox outbox_;
  kubernetes::Backoff backoff_{};
  bool is_away_ = false;  ///< the collector, which was said
  Worker worker_;         ///< last, so that its thread ends first
};

}  // namespace barewire::daemon
