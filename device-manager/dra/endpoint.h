// SPDX-License-Identifier: Apache-2.0
/// Where kubelet meets the DRA driver: the socket by which it finds the driver, the one with the service, in both
/// versions of each, and the streams that follow the health of devices.
/// Source: Kubernetes' plugin registration API v1; DRA plugin API v1 and v1beta1; health API v1 and v1alpha1.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device-manager/dra/messages.h"
#include "device-manager/kubelet/messages.h"
#include "device-manager/kubelet/rpc.h"

namespace barewire::dra {

struct EndpointPaths {
  std::string registration{};  ///< below kubelet's plugins_registry
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

class Endpoint {
 public:
  Endpoint(std::string driver, EndpointPaths paths, EndpointHandlers handlers)
      : driver_(std::move(driver)), paths_(std::move(paths)), handlers_(std::move(handlers)) {}

  /// Listens, unless it does already at sockets that can be reached; true when they are new. Throws Error.
  bool serve();
  /// To every stream; one that begins later hears it too. `bytes` as encode_health has it.
  void tell_health(std::string bytes);

 private:
  kubelet::RpcMethods registration_methods();
  kubelet::RpcMethods service_methods();
  void add_stream(const std::shared_ptr<kubelet::RpcStream>& stream);
  std::string prepare(const std::string& request);
  std::string unprepare(const std::string& request);

  std::string driver_;
  EndpointPaths paths_;
  EndpointHandlers handlers_;
  std::string health_;
  std::vector<std::shared_ptr<kubelet::RpcStream>> streams_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< posted work may come after the end
  std::unique_ptr<kubelet::RpcServer> service_;                 ///< these last: their threads end first
  std::unique_ptr<kubelet::RpcServer> registration_;
};

}  // namespace barewire::dra
