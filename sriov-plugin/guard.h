// SPDX-License-Identifier: Apache-2.0
/// What the keys of sriov and host-device ask of the node's policy. packaging/plugin_table.cc puts the guards to their
/// plugins; core/cni/guard.h says how they are read.
#pragma once

#include "core/cni/guard.h"

namespace barewire {

extern const cni::Guard kSriovGuard;
extern const cni::Guard kHostDeviceGuard;

}  // namespace barewire
