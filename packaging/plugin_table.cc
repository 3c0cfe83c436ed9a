// SPDX-License-Identifier: Apache-2.0
#include "packaging/plugin_table.h"

#include <array>

#include "ipam/plugins.h"

namespace barewire {
namespace {

constexpr std::array kPlugins{ipam::kHostLocal, ipam::kStatic};

}  // namespace

cni::PluginTable plugin_table() {
  return cni::PluginTable(kPlugins);
}

}  // namespace barewire
