// SPDX-License-Identifier: Apache-2.0
#include "packaging/plugin_table.h"

#include <array>

#include "ipam/plugins.h"
#include "ovs-plugin/plugins.h"
#include "sriov-plugin/plugins.h"
#include "standard-plugins/plugins.h"

namespace barewire {

cni::PluginTable plugin_table() {
  using namespace standard;
  static const std::array plugins{kBandwidth,
                                  kBond,
                                  kBridge,
                                  ipam::kDhcp,
                                  kDummy,
                                  kFirewall,
                                  kFlannel,
                                  kHostDevice,
                                  ipam::kHostLocal,
                                  kIpvlan,
                                  kLoopback,
                                  kMacvlan,
                                  kOvs,
                                  kOvsMirrorConsumer,
                                  kOvsMirrorProducer,
                                  kPortmap,
                                  kPtp,
                                  kRdma,
                                  kSbr,
                                  kSriov,
                                  ipam::kStatic,
                                  kTap,
                                  kTuning,
                                  kUserspace,
                                  kVlan,
                                  kVrf};
  return cni::PluginTable(plugins);
}

}  // namespace barewire
