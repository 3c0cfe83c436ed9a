// SPDX-License-Identifier: Apache-2.0
/// The standard plugins, for the table of the plugin program: those of the project containernetworking/plugins, and
/// bond, flannel and rdma of others. Each is described in docs/configuration/<name>.md, and made in <name>/<name>.cc.
#pragma once

#include "core/cni/plugin.h"

namespace barewire::standard {

extern const cni::Plugin kBandwidth;  ///< chained: rates of the pod's interface
extern const cni::Plugin kBond;       ///< several interfaces as one
extern const cni::Plugin kBridge;     ///< a veth pair on a bridge of the node
extern const cni::Plugin kDummy;      ///< an interface that leads nowhere
extern const cni::Plugin kFirewall;   ///< chained: lets the pod's packets through
extern const cni::Plugin kFlannel;    ///< calls another with flanneld's subnet
extern const cni::Plugin kIpvlan;
extern const cni::Plugin kLoopback;  ///< lo, up
extern const cni::Plugin kMacvlan;
extern const cni::Plugin kPortmap;  ///< chained: ports of the node lead to the pod
extern const cni::Plugin kPtp;      ///< a veth pair, routed
extern const cni::Plugin kRdma;     ///< chained: the RDMA device of the VF too
extern const cni::Plugin kSbr;      ///< chained: a routing table per address
extern const cni::Plugin kTap;      ///< a TAP device for a program of the pod
extern const cni::Plugin kTuning;   ///< chained: sysctls, MAC, MTU, flags
extern const cni::Plugin kVlan;
extern const cni::Plugin kVrf;  ///< chained: the interface becomes a VRF's member

}  // namespace barewire::standard
