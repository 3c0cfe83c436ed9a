// SPDX-License-Identifier: Apache-2.0
/// What the keys of the standard plugins ask of the node's policy, one table for each plugin. core/cni/guard.h says how
/// they are read; packaging/plugin_table.cc puts the guards to their plugins.
#pragma once

#include "core/cni/guard.h"

namespace barewire::standard {

/// Constants, of any thread. What a guard's `more` throws is what the plugin's own ADD would throw for the same key:
/// the call fails before anything was made.
extern const cni::Guard kBandwidthGuard;
extern const cni::Guard kBondGuard;
extern const cni::Guard kBridgeGuard;
extern const cni::Guard kDummyGuard;
extern const cni::Guard kFirewallGuard;
extern const cni::Guard kFlannelGuard;
extern const cni::Guard kIpvlanGuard;
/// Without keys: "lo" is the pod's own.
extern const cni::Guard kLoopbackGuard;
extern const cni::Guard kMacvlanGuard;
extern const cni::Guard kPortmapGuard;
extern const cni::Guard kPtpGuard;
extern const cni::Guard kRdmaGuard;
extern const cni::Guard kSbrGuard;
extern const cni::Guard kTapGuard;
extern const cni::Guard kTuningGuard;
extern const cni::Guard kVlanGuard;
extern const cni::Guard kVrfGuard;

}  // namespace barewire::standard
