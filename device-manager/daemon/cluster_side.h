// SPDX-License-Identifier: Apache-2.0
/// The part of the daemon that makes the node as the cluster declares it: tells device-manager/cluster when to look.
/// NICs are changed on the thread "node-policies", networks rendered on the thread "networks", each with a connection
/// of its own: a NIC that takes minutes keeps no lease from being renewed.
#pragma once

#include <spdlog/logger.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/node.h"
#include "device-manager/cluster/agent.h"
#include "device-manager/daemon/event_loop.h"
#include "device-manager/daemon/options.h"
#include "device-manager/daemon/worker.h"
#include "device-manager/kubernetes/backoff.h"

namespace barewire::daemon {

class ClusterSide {
 public:
  /// `node` and `loop` outlive it. The cluster need not be known yet.
  ClusterSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop);
  ~ClusterSide();
  ClusterSide(const ClusterSide&) = delete;
  ClusterSide& operator=(const ClusterSide&) = delete;

  /// Links, records or files have changed: the node's state is to be told. Of the loop's thread.
  void on_change();
  /// Ends its threads; a NIC that is being changed is finished first.
  void stop();

 private:
  using Wait = std::chrono::milliseconds;
  /// One look after another; of the loop's thread but for `work`.
  struct Turn {
    std::string what;  ///< for the log
    Worker* worker = nullptr;
    std::function<Wait()> work;  ///< on the worker; how long until the next
    EventLoop::Timer* timer = nullptr;
    bool busy = false;     ///< the worker is at it
    bool again = false;    ///< asked for meanwhile
    bool hurried = false;  ///< the timer was set by a change: not put off by the next one
    kubernetes::Backoff backoff{};
  };
  void start(Turn& turn);
  /// On the worker; nullopt: it failed, and that was said.
  std::optional<Wait> run(const Turn& turn);
  void on_done(Turn& turn, std::optional<Wait> wait);
  Wait look_at_policies();
  Wait look_at_networks();
  cluster::Say sayer();
  /// From both threads. The same about the same is said once; an empty `line` is "it is well".
  void say(const std::string& key, const std::string& line);
  Wait interval() const { return std::chrono::seconds(options_.interval); }

  struct NodePart;     ///< what the thread "node-policies" has, once the cluster is known
  struct NetworkPart;  ///< and the thread "networks"
  const Node& node_;
  const Options options_;
  std::shared_ptr<spdlog::logger> log_;
  EventLoop& loop_;
  std::unique_ptr<NodePart> node_part_;
  std::unique_ptr<NetworkPart> network_part_;
  std::mutex mutex_;
  std::map<std::string, std::string> said_;  ///< under mutex_
  Worker node_worker_, network_worker_;
  Turn node_turn_, network_turn_;
};

}  // namespace barewire::daemon
