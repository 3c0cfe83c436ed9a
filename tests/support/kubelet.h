// SPDX-License-Identifier: Apache-2.0
/// A kubelet of the tests' own: the real messages over real gRPC on unix sockets, as far as device plugins and their
/// users meet one. It looks into plugins_registry, is told at kubelet.sock, follows each resource's list, allocates,
/// and answers for pod-resources. It may be stopped and started, as kubelet is.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "device-manager/inventory/grant.h"
#include "device-manager/kubelet/rpc.h"

namespace barewire::test {

/// What a container got with its devices.
struct Allocated {
  std::map<std::string, std::string> environment{};
  std::vector<inventory::DeviceNode> nodes{};
  std::map<std::string, std::string> annotations{};
};

class TestKubelet {
 public:
  /// Below `directory`: device-plugins, pod-resources and, if `with_watcher`, plugins_registry.
  TestKubelet(std::string directory, bool with_watcher);
  TestKubelet(const TestKubelet&) = delete;
  TestKubelet& operator=(const TestKubelet&) = delete;
  ~TestKubelet();

  /// Removes what is in device-plugins, as kubelet does, and listens.
  void start();
  void stop();
  /// Registers every socket in plugins_registry that it does not know yet: one that was made anew is another.
  void look_for_plugins();
  /// Drops the connection to a plugin, as kubelet does when another of that resource has ended; it still knows the
  /// socket.
  void drop(const std::string& resource);

  /// How often a resource was registered since the beginning.
  int registrations(const std::string& resource) const;
  /// Device → "Healthy" or "Unhealthy", as the resource's list says now; empty before it was heard, and once the plugin
  /// has gone.
  std::map<std::string, std::string> devices(const std::string& resource) const;
  /// NUMA nodes by device.
  std::map<std::string, std::vector<int>> nodes(const std::string& resource) const;
  int lists_heard(const std::string& resource) const;

  std::vector<std::string> prefer(const std::string& resource, const std::vector<std::string>& available,
                                  const std::vector<std::string>& must_include, int size) const;
  /// Allocates for a container, whose pod pod-resources names from then on. Throws Error{io} with the plugin's words.
  Allocated allocate(const std::string& resource, const std::vector<std::string>& devices, const std::string& pod);
  /// Of a pod that kubelet knows from before: nothing is asked of the plugin.
  void remember(const std::string& resource, const std::vector<std::string>& devices, const std::string& pod);
  void forget(const std::string& pod);
  /// The socket at which a resource is served.
  std::string socket_of(const std::string& resource) const;

 private:
  class Stream;
  struct Held {
    std::string resource, pod;
    std::vector<std::string> devices;
  };
  void connect(const std::string& resource, const std::string& socket);
  std::string pod_resources() const;

  std::string directory_;
  mutable std::mutex mutex_;
  std::map<std::string, int> registrations_;  ///< these under mutex_
  std::map<std::string, std::shared_ptr<Stream>> streams_;
  std::map<std::string, std::string> known_;  ///< which file each path in plugins_registry was
  std::vector<Held> held_;
  std::unique_ptr<kubelet::RpcServer> registration_;
  std::unique_ptr<kubelet::RpcServer> pod_resources_;
};

}  // namespace barewire::test
