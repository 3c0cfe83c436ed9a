// SPDX-License-Identifier: Apache-2.0
/// How full the node's pools are: for metrics and the picture of the node. Reads only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "device-manager/inventory/pool.h"

namespace barewire::inventory {

/// The file, or where it is empty the first of the default places that is there; nullopt: there is none. Throws as
/// parse_pools.
std::optional<PoolConfig> find_pools(const std::string& file);

/// One pool at this moment. What is neither allocated nor free is in use by others.
struct PoolCount {
  std::string resource;
  std::uint64_t total = 0;
  std::uint64_t allocated = 0;         ///< promised to a container or claim, or kept back
  std::uint64_t free = 0;              ///< neither promised nor in use
  std::vector<std::string> devices{};  ///< ids of all of them
};
/// In the order of `pools`. Throws Error when links or records cannot be read at all.
std::vector<PoolCount> count_pools(const Node& node, const std::vector<Pool>& pools);

}  // namespace barewire::inventory
