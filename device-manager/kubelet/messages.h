// SPDX-License-Identifier: Apache-2.0
/// What kubelet says, in Barewire's terms, to and from serialised protobuf: the only users of generated code. Bytes
/// that are no such message throw Error{decode}. Source: Kubernetes' device plugin API v1beta1, plugin registration API
/// v1, pod-resources API v1.
#pragma once

#include <string>
#include <vector>

#include "device-manager/inventory/grant.h"

namespace barewire::kubelet {

/// A device as kubelet counts it: an unhealthy one is part of the node's capacity and given to nobody.
struct ListedDevice {
  std::string id{};
  bool healthy = true;
  int numa_node = -1;  ///< below 0: none is told
  friend bool operator==(const ListedDevice&, const ListedDevice&) = default;
};
std::size_t count_unhealthy(const std::vector<ListedDevice>& devices);
/// ListAndWatchResponse.
std::string encode_list(const std::vector<ListedDevice>& devices);
/// DevicePluginOptions; PreStartContainer is never asked for.
std::string encode_options(bool preferred_allocation);
/// RegisterRequest: `endpoint` is the socket's name in kubelet's directory, not its path.
std::string encode_register(const std::string& endpoint, const std::string& resource);

/// Of one container; ids of devices. `must_include` are some of `available` that kubelet has decided on already; `size`
/// counts them too.
struct PreferredRequest {
  std::vector<std::string> available{}, must_include{};
  std::size_t size = 0;
};
std::vector<PreferredRequest> decode_preferred(const std::string& bytes);
/// PreferredAllocationResponse, container by container as asked.
std::string encode_preferred(const std::vector<std::vector<std::string>>& answers);

/// Device ids by container.
std::vector<std::vector<std::string>> decode_allocate(const std::string& bytes);
/// AllocateResponse, likewise.
std::string encode_allocate(const std::vector<inventory::Grant>& grants);

/// What kubelet's plugin watcher asks of a socket that it has found.
struct PluginInfo {
  /// "DevicePlugin" or "DRAPlugin"; resource or driver; the absolute path of the socket with the service.
  std::string type{}, name{}, endpoint{};
  /// Of the service: "v1beta1"; of a DRA driver the services with their versions, "v1.DRAPlugin".
  std::vector<std::string> versions{};
};
/// PluginInfo of package pluginregistration.
std::string encode_info(const PluginInfo& info);

/// What kubelet thinks of it; `error` is its own words.
struct RegistrationStatus {
  bool registered = false;
  std::string error{};
};
RegistrationStatus decode_status(const std::string& bytes);

/// A device that a container has. Of any plugin's resource: whoever asks takes those that are its own.
struct HeldDevice {
  std::string resource{};
  std::string device{};
  std::string pod_namespace{}, pod{}, container{};
};
/// Of ListPodResourcesResponse, all pods and containers flattened.
std::vector<HeldDevice> decode_pod_resources(const std::string& bytes);

}  // namespace barewire::kubelet
