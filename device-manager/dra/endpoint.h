// SPDX-License-Identifier: Apache-2.0
/// Where kubelet meets the DRA driver: the socket by which it finds the driver, the one with the service, in both
/// versions of each, and the streams that follow the health of devices.
/// Source: Kubernetes' plugin registration API v1; DRA plugin API v1 and v1beta1; health API v1 and v1alpha1.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "device-manager/dra/messages.h"
#include "device-manager/kubelet/messages.h"
#include "device-manager/kubelet/rpc.h"

namespace barewire::dra {

struct EndpointPaths {
  std::string registration{};  ///< below kubelet's plugins_registry
  /// Absolute, below kubelet's plugins: kubelet is told this path at registration.
  std::string service{};
};
/// `instance` tells two daemons during an upgrade apart; may be empty.
EndpointPaths endpoint_paths(const std::string& kubelet_dir, const std::string& driver, const std::string& instance);

/// Each is run on the thread that `post` leads to.
struct EndpointHandlers {
  std::function<void(std::function<void()>)> post;
  std::function<Prepared(const ClaimRef&)> prepare;
  std::function<std::string(const ClaimRef&)> unprepare;
  std::function<void(const kubelet::RegistrationStatus&)> on_registered;
};

/// Both sockets, and who listens to the health of devices. Everything but the handing over by `post` is of the
/// handlers' thread.
class Endpoint {
 public:
  Endpoint(std::string driver, EndpointPaths paths, EndpointHandlers handlers)
      : driver_(std::move(driver)), paths_(std::move(paths)), handlers_(std::move(handlers)) {}

  /// Listens, unless it does already at sockets that can be reached; true when they are new: also after another
  /// instance has gone, whose end some kubelets take for the driver's. Throws Error.
  bool serve();
  /// To every stream; one that begins later hears it too. `bytes` as encode_health has it.
  void tell_health(std::string bytes);

 private:
  /// Package "pluginregistration", whatever its version: GetInfo and NotifyRegistrationStatus.
  kubelet::RpcMethods registration_methods();
  /// DRAPlugin and DRAResourceHealth, each under the names of both its versions.
  kubelet::RpcMethods service_methods();
  /// Sockets of other instances that were killed.
  void remove_stale() const;
  /// Another instance's registration socket was there at the last call, and is not now.
  bool another_has_gone();
  void add_stream(const std::shared_ptr<kubelet::RpcStream>& stream);
  /// All claims of a pod in one request, one entry of the answer for each.
  std::string prepare(const std::string& request) const;
  std::string unprepare(const std::string& request) const;

  std::string driver_;
  EndpointPaths paths_;
  EndpointHandlers handlers_;
  /// The last message, for streams that begin later
  std::string health_;
  std::set<std::string> others_;  ///< registration sockets of other instances
  std::vector<std::shared_ptr<kubelet::RpcStream>> streams_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< posted work may come after the end
  std::unique_ptr<kubelet::RpcServer> service_;                 ///< these last: their threads end first
  std::unique_ptr<kubelet::RpcServer> registration_;
};

}  // namespace barewire::dra
