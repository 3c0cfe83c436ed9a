// SPDX-License-Identifier: Apache-2.0
/// Messages of kubelet.
/// Source: k8s.io/kubelet, deviceplugin/v1beta1/api.proto, pluginregistration/v1/api.proto, podresources/v1/api.proto.
/// Unknown fields of newer versions are passed over, as protobuf does.
#include "device-manager/kubelet/messages.h"

#include <algorithm>

#include "core/error.h"
#include "proto/device_plugin.pb.h"
#include "proto/plugin_registration.pb.h"
#include "proto/pod_resources.pb.h"

namespace barewire::kubelet {
namespace {

template <typename Message>
Message decode(const std::string& bytes, const char* what) {
  Message message;
  if (!message.ParseFromString(bytes))
    throw Error(Error::Code::decode, fmt::format("decoding kubelet's {} failed", what));
  return message;
}

template <typename Repeated>
std::vector<std::string> strings(const Repeated& repeated) {
  return {repeated.begin(), repeated.end()};
}

}  // namespace

std::size_t count_unhealthy(const std::vector<ListedDevice>& devices) {
  const auto bad = std::count_if(devices.begin(), devices.end(), [](const auto& device) { return !device.healthy; });
  return static_cast<std::size_t>(bad);
}

std::string encode_list(const std::vector<ListedDevice>& devices) {
  v1beta1::ListAndWatchResponse message;
  for (const ListedDevice& each : devices) {
    v1beta1::Device* device = message.add_devices();
    device->set_id(each.id);
    device->set_health(each.healthy ? "Healthy" : "Unhealthy");
    // No topology at all is "any node"; node 0 would be an answer.
    if (each.numa_node >= 0) device->mutable_topology()->add_nodes()->set_id(each.numa_node);
  }
  return message.SerializeAsString();
}

std::string encode_options(bool preferred_allocation) {
  v1beta1::DevicePluginOptions message;
  message.set_get_preferred_allocation_available(preferred_allocation);
  return message.SerializeAsString();
}

std::string encode_register(const std::string& endpoint, const std::string& resource) {
  v1beta1::RegisterRequest message;
  message.set_version("v1beta1");
  message.set_endpoint(endpoint);
  message.set_resource_name(resource);
  message.mutable_options()->set_get_preferred_allocation_available(true);
  return message.SerializeAsString();
}

std::vector<PreferredRequest> decode_preferred(const std::string& bytes) {
  std::vector<PreferredRequest> requests;
  const auto message = decode<v1beta1::PreferredAllocationRequest>(bytes, "PreferredAllocationRequest");
  for (const auto& each : message.container_requests())
    // A signed size on the wire: as it stands a negative one would be a huge number here.
    requests.push_back({strings(each.available_deviceids()), strings(each.must_include_deviceids()),
                        static_cast<std::size_t>(std::max(each.allocation_size(), 0))});
  return requests;
}

std::string encode_preferred(const std::vector<std::vector<std::string>>& answers) {
  v1beta1::PreferredAllocationResponse message;
  for (const auto& ids : answers) {
    auto* container = message.add_container_responses();
    for (const std::string& id : ids) container->add_deviceids(id);
  }
  return message.SerializeAsString();
}

std::vector<std::vector<std::string>> decode_allocate(const std::string& bytes) {
  std::vector<std::vector<std::string>> containers;
  const auto message = decode<v1beta1::AllocateRequest>(bytes, "AllocateRequest");
  for (const auto& each : message.container_requests()) containers.push_back(strings(each.devices_ids()));
  return containers;
}

std::string encode_allocate(const std::vector<inventory::Grant>& grants) {
  v1beta1::AllocateResponse message;
  for (const inventory::Grant& grant : grants) {
    // One for each container, in their order: kubelet goes by the place in the list.
    v1beta1::ContainerAllocateResponse* container = message.add_container_responses();
    for (const auto& [name, value] : grant.environment) (*container->mutable_envs())[name] = value;
    for (const inventory::DeviceNode& node : grant.nodes) {
      v1beta1::DeviceSpec* device = container->add_devices();
      device->set_container_path(node.container_path);
      device->set_host_path(node.host_path);
      device->set_permissions(node.permissions);
    }
    for (const auto& [name, value] : grant.annotations) (*container->mutable_annotations())[name] = value;
  }
  return message.SerializeAsString();
}

std::string encode_info(const PluginInfo& info) {
  pluginregistration::PluginInfo message;
  message.set_type(info.type);
  message.set_name(info.name);
  message.set_endpoint(info.endpoint);
  for (const std::string& version : info.versions) message.add_supported_versions(version);
  return message.SerializeAsString();
}

RegistrationStatus decode_status(const std::string& bytes) {
  const auto message = decode<pluginregistration::RegistrationStatus>(bytes, "RegistrationStatus");
  return {message.plugin_registered(), message.error()};
}

std::vector<HeldDevice> decode_pod_resources(const std::string& bytes) {
  std::vector<HeldDevice> held;
  const auto message = decode<v1::ListPodResourcesResponse>(bytes, "ListPodResourcesResponse");
  // Bridges' ports and devices of other plugins are in it too.
  for (const v1::PodResources& pod : message.pod_resources())
    for (const v1::ContainerResources& container : pod.containers())
      for (const v1::ContainerDevices& devices : container.devices())
        for (const std::string& id : devices.device_ids())
          held.push_back({devices.resource_name(), id, pod.namespace_(), pod.name(), container.name()});
  return held;
}

}  // namespace barewire::kubelet
