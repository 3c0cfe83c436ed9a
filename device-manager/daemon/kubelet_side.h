// SPDX-License-Identifier: Apache-2.0
/// The part of the daemon that serves kubelet: tells device-manager/kubelet when to look, on a thread of its own. The
/// rest of the daemon does not depend on it, and goes on when kubelet or its sockets are not there.
#pragma once

#include <spdlog/logger.h>

#include <functional>
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
  /// `node` and `loop` outlive it; `also` is told of changes on the loop's thread, too. Throws Error{io}.
  KubeletSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop,
              std::function<void()> also);
  ~KubeletSide() { stop(); }
  KubeletSide(const KubeletSide&) = delete;
  KubeletSide& operator=(const KubeletSide&) = delete;

  /// Links or records have changed. Of the loop's thread, as all here. A look follows soon, one for a whole burst.
  void on_change();
  /// Ends its thread; calls that are under way end with an error.
  void stop();

 private:
  /// Has the worker look and tell kubelet; one at a time, the next follows it.
  void update();
  /// On the loop's thread again; another update follows soon where kubelet could not be told of all.
  void on_updated(bool served);
  /// Has the worker ask kubelet who has which device.
  void reconcile();
  /// Whose changes call for a look: kubelet's, the promises', that of the pools' file.
  std::vector<std::string> directories() const;

  const Node& node_;
  kubelet::Settings settings_;
  std::string nri_;  ///< the runtime's socket; empty: none
  std::chrono::milliseconds interval_;
  EventLoop& loop_;
  std::function<void()> also_;
  kubelet::NodeEvents events_;  ///< readable: on_change()
  EventLoop::Timer& settle_;    ///< an update is due
  EventLoop::Timer& reconcile_;
  bool updating_ = false;                            ///< the worker is at one
  std::unique_ptr<kubelet::DevicePlugins> plugins_;  ///< of the worker's thread
  Worker worker_;                                    ///< "kubelet"; last, so that it ends first
};

}  // namespace barewire::daemon
