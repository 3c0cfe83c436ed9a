// SPDX-License-Identifier: Apache-2.0
/// The plugins of this folder, for the table of a plugin program.
#pragma once

#include "core/cni/plugin.h"

namespace barewire {

extern const cni::Plugin kOvs;  ///< a pod on an Open vSwitch bridge; ovs.cc

}  // namespace barewire
