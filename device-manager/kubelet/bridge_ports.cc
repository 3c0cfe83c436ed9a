// SPDX-License-Identifier: Apache-2.0
/// The count is all that kubelet keeps; nothing is recorded.
#include "device-manager/kubelet/bridge_ports.h"

#include <algorithm>
#include <cctype>

#include "ovs-plugin/ready.h"

namespace barewire::kubelet {

std::optional<std::string> find_bridge_obstacle(const inventory::Pool& pool, const std::string& socket) {
  ovsdb::Endpoint endpoint;
  endpoint.address = socket;
  try {
    // The same question as STATUS of the ovs plugin asks: a node whose ADDs would fail gives no ports away.
    ovs::require_switch(endpoint, pool.bridge);
    return std::nullopt;
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<ListedDevice> list_ports(const inventory::Pool& pool) {
  std::vector<ListedDevice> ports;
  for (int i = 0; i < pool.ports; ++i) ports.push_back({.id = fmt::format("{}-{}", pool.bridge, i)});
  return ports;
}

std::string bridge_variable(const std::string& pool) {
  // A resource's name may hold what a shell's variable cannot.
  std::string name = "BAREWIRE_BRIDGE_" + pool;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

inventory::Grant grant_ports(const inventory::Pool& pool, const std::vector<std::string>& ids) {
  const auto ports = list_ports(pool);
  for (const std::string& id : ids)
    if (std::none_of(ports.begin(), ports.end(), [&](const ListedDevice& each) { return each.id == id; }))
      throw Error(Error::Code::device, fmt::format("{} is not a port of {}", id, pool.resource()));
  inventory::Grant grant;
  grant.environment[bridge_variable(pool.name)] = pool.bridge;
  return grant;
}

}  // namespace barewire::kubelet
