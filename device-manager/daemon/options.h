// SPDX-License-Identifier: Apache-2.0
/// The command line of `barewired`, read once by its main; barewired(8) describes it. service.h and kubelet_side.h act
/// on it.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "device-manager/kubelet/settings.h"

namespace barewire::daemon {

/// Of the DRA driver.
struct DraOptions {
  std::string driver = "barewire.io";
  std::string node{};        ///< its name in the cluster; empty: $NODE_NAME, else the host's name
  std::string kubeconfig{};  ///< empty: the pod's service account
  bool metadata = false;     ///< containers are told of their devices by files
};

/// Of what the cluster declares: device-manager/cluster.
struct ClusterOptions {
  bool policies = false;  ///< whether the node follows it
  std::string name_space = "sriov-network-operator";
};

/// As parsed and checked; the defaults are those of the help.
struct Options {
  std::int64_t interval = 60;      ///< seconds between looks when nothing tells of a change
  std::int64_t grace = 120;        ///< seconds for which a netns must have been seen dead
  bool once = false;               ///< one look, as `barewire gc`, with `grace` as the least age
  bool dry_run = false;            ///< says what would be undone
  bool own_pid_namespace = false;  ///< the administrator vouches that every pod's processes are visible
  std::string log_level = "info";
  std::string metrics_listen;  ///< where /metrics is served; empty: nowhere
  std::string traces_to;       ///< a collector's URL; empty: plugins leave no spans
  kubelet::Settings kubelet{};
  DraOptions dra{};
  std::string nri;  ///< the runtime's socket, by which claimed VFs are attached; empty: they are not
  ClusterOptions cluster{};
};

/// `options` outlives it, and is filled by parsing. Bounds are checked by the parser: what it fills in can be used as
/// it is.
std::unique_ptr<CLI::App> make_app(Options& options);

}  // namespace barewire::daemon
