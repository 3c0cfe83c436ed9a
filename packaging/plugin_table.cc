// SPDX-License-Identifier: Apache-2.0
#include "packaging/plugin_table.h"

#include <array>

#include "ipam/plugins.h"
#include "ovs-plugin/plugins.h"
#include "sriov-plugin/plugins.h"
#include "standard-plugins/plugins.h"

namespace barewire {

cni::PluginTable plugin_table() {
  static const std::array plugins{standard::kBridge, kHostDevice, ipam::kHostLocal, standard::kLoopback, kOvs,
                                  standard::kPtp,    kSriov,      ipam::kStatic};
  return cni::PluginTable(plugins);
}

}  // namespace barewire
