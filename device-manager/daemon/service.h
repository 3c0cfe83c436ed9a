// SPDX-License-Identifier: Apache-2.0
/// The daemon's life: looks for dead attachments at every interval and whenever a netns or record changes, undoes them
/// after the grace, tells systemd that it is well, ends at SIGTERM. The loop waits (event_loop.h); looking and undoing,
/// which may take minutes, is the work of the thread "reaper", plugins run in processes of their own.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <optional>

#include "core/signals.h"
#include "device-manager/change_watcher.h"
#include "device-manager/daemon/cluster_side.h"
#include "device-manager/daemon/dra_side.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/kubelet_side.h"
#include "device-manager/daemon/metrics_side.h"
#include "device-manager/daemon/nri_side.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/traces_side.h"
#include "device-manager/daemon/worker.h"
#include "device-manager/reaper.h"

namespace barewire::daemon {

/// Everything that `barewired` does without --once. Its constructor starts threads, so signals have to be blocked
/// before.
class Service {
 public:
  /// `node` and `stop` outlive it. Throws Error{io}, {kernel}.
  Service(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, const StopSignals& stop);
  /// Until `stop` is asked.
  void run();

 private:
  /// Links, netns or records have changed: a look follows once they are quiet, or after a second of them.
  void on_change();
  /// Without a collector plugins leave no spans.
  void set_up_traces();
  /// Tells systemd that the daemon is well, but while the reaper is at work: its progress tells it then. Source:
  /// sd_notify(3), sd_watchdog_enabled(3).
  void on_watchdog();
  /// Has the reaper look; a look that is asked for during another follows it.
  void ask_for_look();
  /// On the loop's thread, when a look is over.
  void on_looked(std::chrono::milliseconds until_next);

  /// These run on the reaper's thread.
  void look();
  /// Undoes what the grace is over for. Tells systemd between two: each may take minutes.
  void reap_due(const manager::ReapPlan& plan);
  /// The interval, or sooner where a grace ends before.
  std::chrono::milliseconds until_next_look() const;

  const Node& node_;
  Options options_;
  std::shared_ptr<spdlog::logger> log_;
  const StopSignals& stop_;
  EventLoop loop_;
  manager::ChangeWatcher watcher_;  ///< says when to look; what happened is found by looking
  EventLoop::Timer& settle_;
  EventLoop::Timer& next_look_;  ///< the interval, or a grace that ends
  EventLoop::Timer& watchdog_;
  std::chrono::steady_clock::time_point burst_began_{};
  bool looking_ = false;       ///< the reaper is at it
  bool look_again_ = false;    ///< something changed meanwhile
  manager::GraceWatch watch_;  ///< of the reaper's thread; since when each has been seen dead
  Worker reaper_;              ///< its thread ends before what it uses goes
  std::optional<MetricsSide> metrics_;
  std::optional<TracesSide> traces_;
  std::optional<DraSide> dra_;
  std::optional<NriSide> nri_;
  std::optional<KubeletSide> kubelet_;
  std::optional<ClusterSide> cluster_;
};

/// `--once`: true when nothing failed.
bool look_once(const Node& node, const Options& options, spdlog::logger& log);

}  // namespace barewire::daemon
