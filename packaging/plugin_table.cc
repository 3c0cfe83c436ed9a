// SPDX-License-Identifier: Apache-2.0
#include "packaging/plugin_table.h"

#include <array>

namespace barewire {
namespace {

constexpr std::array<cni::Plugin, 0> kPlugins{};

}  // namespace

cni::PluginTable plugin_table() {
  return cni::PluginTable(kPlugins);
}

}  // namespace barewire
