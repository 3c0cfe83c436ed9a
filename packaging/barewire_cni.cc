// SPDX-License-Identifier: Apache-2.0
/// The plugin program: every plugin of the suite in one executable that acts by the name it is called by.
#include <array>

#include "core/cni/plugin.h"

namespace {

constexpr std::array<barewire::cni::Plugin, 0> kPlugins{};

}  // namespace

int main(int argc, char** argv) {
  return barewire::cni::plugin_main(argc, argv, barewire::cni::PluginTable(kPlugins));
}
