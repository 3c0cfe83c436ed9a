// SPDX-License-Identifier: Apache-2.0
/// The standard plugins, for the table of the plugin program. Each is described in docs/configuration/<name>.md.
#pragma once

#include "core/cni/plugin.h"

namespace barewire::standard {

extern const cni::Plugin kBandwidth;
extern const cni::Plugin kBond;
extern const cni::Plugin kBridge;
extern const cni::Plugin kDummy;
extern const cni::Plugin kFirewall;
extern const cni::Plugin kFlannel;
extern const cni::Plugin kIpvlan;
extern const cni::Plugin kLoopback;
extern const cni::Plugin kMacvlan;
extern const cni::Plugin kPortmap;
extern const cni::Plugin kPtp;
extern const cni::Plugin kRdma;
extern const cni::Plugin kSbr;
extern const cni::Plugin kTap;
extern const cni::Plugin kTuning;
extern const cni::Plugin kVlan;
extern const cni::Plugin kVrf;

}  // namespace barewire::standard
