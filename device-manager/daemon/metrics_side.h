// SPDX-License-Identifier: Apache-2.0
/// The part of the daemon that tells how the node is: gives loopback_server.h what it serves. Only where an option asks
/// for it. page_side.h is the page.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "core/node.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/loopback_server.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/page_side.h"
#include "device-manager/daemon/worker.h"

namespace barewire::daemon {

/// Made when the loop is there, and gone before it.
class MetricsSide {
 public:
  /// `node` and `loop` outlive it. Throws Error{config}, {io}.
  MetricsSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop);
  MetricsSide(const MetricsSide&) = delete;
  MetricsSide& operator=(const MetricsSide&) = delete;

  /// Of the loop's thread: something on the node is not as it was.
  void on_change() { page_.on_change(); }

 private:
  std::vector<Route> routes();
  /// Of the worker: a switch that does not answer must not hold up the server, which has pages to keep alive.
  std::string metrics();
  Answer answer();
  /// Of the server's thread.
  /// Whether the event loop has answered within a watchdog's patience. It is asked when somebody asks here, so that a
  /// daemon that nobody watches is not woken for it.
  bool is_loop_alive();

  const Node& node_;
  std::string pools_;
  std::shared_ptr<spdlog::logger> log_;
  EventLoop& loop_;
  std::set<std::string> said_;  ///< problems of the last page: each is logged once as long as it lasts
  std::mutex mutex_;
  std::optional<std::chrono::steady_clock::time_point> asked_;  ///< under mutex_; the loop has not answered since
  RecentText metrics_;
  PageSide page_;
  Worker worker_;          ///< its thread ends before what it uses goes
  LoopbackServer server_;  ///< last, so that its thread ends first
};

}  // namespace barewire::daemon
