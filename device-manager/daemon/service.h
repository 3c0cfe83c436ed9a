// SPDX-License-Identifier: Apache-2.0
/// The daemon's life: looks for dead attachments at every interval and whenever a netns or record changes, undoes them
/// after the grace, tells systemd that it is well, ends at SIGTERM. One thread; plugins run in children.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "core/signals.h"
#include "device-manager/change_watcher.h"
#include "device-manager/daemon/options.h"
#include "device-manager/reaper.h"

namespace barewire::daemon {

class Service {
 public:
  /// `stop` outlives it. Throws Error{io}, {kernel}.
  Service(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, const StopSignals& stop);
  /// Until `stop` is asked.
  void run();

 private:
  /// One look; an error of it is logged, the next look tries again.
  void look();
  void reap_due(const manager::ReapPlan& plan);
  std::chrono::milliseconds until_next_look() const;

  const Node& node_;
  Options options_;
  std::shared_ptr<spdlog::logger> log_;
  const StopSignals& stop_;
  manager::ChangeWatcher watcher_;
  manager::GraceWatch watch_;
};

/// `--once`: true when nothing failed.
bool look_once(const Node& node, const Options& options, spdlog::logger& log);

}  // namespace barewire::daemon
