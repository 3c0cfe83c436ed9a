// SPDX-License-Identifier: Apache-2.0
#include "packaging/plugin_table.h"

#include <array>

#include "ipam/guard.h"
#include "ipam/plugins.h"
#include "ovs-plugin/guard.h"
#include "ovs-plugin/plugins.h"
#include "sriov-plugin/guard.h"
#include "sriov-plugin/plugins.h"
#include "standard-plugins/guard.h"
#include "standard-plugins/plugins.h"

namespace barewire {

namespace {

/// Every plugin stands here with what its keys ask of the node's policy.
cni::Plugin guarded(cni::Plugin plugin, const cni::Guard& guard) {
  plugin.guard = &guard;
  return plugin;
}

}  // namespace

cni::PluginTable plugin_table() {
  using namespace standard;
  static const std::array plugins{guarded(kBandwidth, kBandwidthGuard),
                                  guarded(kBond, kBondGuard),
                                  guarded(kBridge, kBridgeGuard),
                                  guarded(ipam::kDhcp, ipam::kDhcpGuard),
                                  guarded(kDummy, kDummyGuard),
                                  guarded(kFirewall, kFirewallGuard),
                                  guarded(kFlannel, kFlannelGuard),
                                  guarded(kHostDevice, kHostDeviceGuard),
                                  guarded(ipam::kHostLocal, ipam::kHostLocalGuard),
                                  guarded(kIpvlan, kIpvlanGuard),
                                  guarded(kLoopback, kLoopbackGuard),
                                  guarded(kMacvlan, kMacvlanGuard),
                                  guarded(kOvs, kOvsGuard),
                                  guarded(kOvsMirrorConsumer, kOvsMirrorGuard),
                                  guarded(kOvsMirrorProducer, kOvsMirrorGuard),
                                  guarded(kPortmap, kPortmapGuard),
                                  guarded(kPtp, kPtpGuard),
                                  guarded(kRdma, kRdmaGuard),
                                  guarded(kSbr, kSbrGuard),
                                  guarded(kSriov, kSriovGuard),
                                  guarded(ipam::kStatic, ipam::kStaticGuard),
                                  guarded(kTap, kTapGuard),
                                  guarded(kTuning, kTuningGuard),
                                  guarded(kUserspace, kUserspaceGuard),
                                  guarded(kVlan, kVlanGuard),
                                  guarded(kVrf, kVrfGuard)};
  return cni::PluginTable(plugins);
}

}  // namespace barewire
