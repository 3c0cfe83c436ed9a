// SPDX-License-Identifier: Apache-2.0
/// The plugins of this folder, for the table of a plugin program.
#pragma once

#include "core/cni/plugin.h"

namespace barewire {

extern const cni::Plugin kSriov;       ///< a VF into a pod and back; sriov.cc
extern const cni::Plugin kHostDevice;  ///< any existing device into a pod and back; host_device.cc

}  // namespace barewire
