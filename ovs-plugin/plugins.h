// SPDX-License-Identifier: Apache-2.0
/// The plugins of this folder, for the table of a plugin program (core/cni/plugin.h).
#pragma once

#include "core/cni/plugin.h"

namespace barewire {

extern const cni::Plugin kOvs;                ///< a pod on an Open vSwitch bridge; ovs.cc
extern const cni::Plugin kOvsMirrorConsumer;  ///< its port gets the copies of mirrors; mirror_plugin.cc
extern const cni::Plugin kOvsMirrorProducer;  ///< its port's packets are copied to mirrors; mirror_plugin.cc
extern const cni::Plugin kUserspace;          ///< vhost-user, with the keys of userspace-cni; ovs.cc

}  // namespace barewire
