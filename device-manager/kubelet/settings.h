// SPDX-License-Identifier: Apache-2.0
/// Where the daemon meets kubelet and how; barewired(8) describes the options. Paths are kubelet's defaults: its root
/// directory, and below it what it names by itself.
#pragma once

#include <chrono>
#include <string>

namespace barewire::kubelet {

struct Settings {
  std::string directory = "/var/lib/kubelet";
  std::string pools{};                      ///< the pools' file; empty: the first of kDefaultPools that is there; in
                                            ///< /run is what `barewire apply` leaves
  std::string prefix{};                     ///< of resources; empty: each form's own
  std::string registration = "auto";        ///< "watcher", "socket", "auto": watcher where kubelet has one
  std::string instance{};                   ///< part of the sockets' names, for two daemons during an upgrade
  bool use_cdi = false;                     ///< names instead of device nodes in what is granted
  std::chrono::milliseconds grace{30'000};  ///< for which kubelet must not count a device as given
  std::string cdi_dir = "/var/run/cdi";
  std::string device_info_dir = "/var/run/k8s.cni.cncf.io/devinfo/dp";

  static constexpr const char* kDefaultPools[] = {"/etc/barewire/pools.json", "/run/barewire/pools.json",
                                                  "/etc/pcidp/config.json"};

  /// The plugin watcher's. Source: kubelet's --root-dir; pkg/kubelet/config/defaults.go.
  std::string registry() const { return directory + "/plugins_registry"; }
  std::string device_plugins() const { return directory + "/device-plugins"; }
  /// Where a plugin registers itself that no watcher finds.
  std::string kubelet_socket() const { return device_plugins() + "/kubelet.sock"; }
  /// Where kubelet tells which container has which device.
  std::string pod_resources_socket() const { return directory + "/pod-resources/kubelet.sock"; }
};

}  // namespace barewire::kubelet
