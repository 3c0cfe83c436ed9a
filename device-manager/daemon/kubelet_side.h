// SPDX-License-Identifier: Apache-2.0
/// The part of the daemon that serves kubelet: tells device-manager/kubelet when to look, on a thread of its own. The
/// rest of the daemon does not depend on it.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "core/node.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/worker.h"
#include "device-manager/kubelet/device_plugins.h"
#include "device-manager/kubelet/node_events.h"

namespace barewire::daemon {

class KubeletSide {
 public:
  /// `node` and `loop` outlive it. Throws Error{io}.
  KubeletSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop);
  ~KubeletSide() { stop(); }
  KubeletSide(const KubeletSide&) = delete;
  KubeletSide& operator=(const KubeletSide&) = delete;

  /// Links or records have changed. Of the loop's thread, as all here.
  void on_change();
  /// Ends its thread; calls that are under way end with an error.
  void stop();

 private:
  void update();
  void on_updated(bool served);
  void reconcile();
  std::vector<std::string> directories() const;

  const Node& node_;
  kubelet::Settings settings_;
  std::chrono::milliseconds interval_;
  EventLoop& loop_;
  kubelet::NodeEvents events_;
  EventLoop::Timer& settle_;
  EventLoop::Timer& reconcile_;
  bool updating_ = false;
  std::unique_ptr<kubelet::DevicePlugins> plugins_;  ///< of the worker's thread
  Worker worker_;
};

}  // namespace barewire::daemon
