// SPDX-License-Identifier: Apache-2.0
// Counted from one look, so that the numbers of a pool add up.
#include "device-manager/inventory/pool_count.h"

#include "core/fd.h"
#include "device-manager/inventory/use.h"

namespace barewire::inventory {
namespace {

/// Those of the device plugin (kubelet/settings.h).
constexpr const char* kDefaultPools[] = {"/etc/barewire/pools.json", "/run/barewire/pools.json",
                                         "/etc/pcidp/config.json"};

}  // namespace

std::optional<PoolConfig> find_pools(const std::string& file) {
  std::vector<std::string> files(std::begin(kDefaultPools), std::end(kDefaultPools));
  if (!file.empty()) files = {file};
  for (const std::string& each : files)
    if (const auto bytes = read_file(each)) return parse_pools(*bytes, each, "");
  return std::nullopt;
}

std::vector<PoolCount> count_pools(const Node& node, const std::vector<Pool>& pools) {
  vf::Host host(node);
  const auto use = Use::look(host, kernel::list_links(host.socket));
  const auto devices = list_devices(host.sysfs, use.links());
  const auto membership = assign(pools, devices, use.promised_resources());
  std::vector<PoolCount> counts;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    PoolCount& count = counts.emplace_back(PoolCount{pools[i].resource()});
    for (const Member& member : membership.members[i]) {
      ++count.total;
      count.devices.push_back(member.device->id);
      // Promised counts before used: a pod may not have attached its device yet.
      const bool promised = use.allocations().contains(member.device->id);
      if (promised)
        ++count.allocated;
      else if (!use.find_obstacle(*member.device, count.resource))
        ++count.free;
    }
  }
  return counts;
}

}  // namespace barewire::inventory
