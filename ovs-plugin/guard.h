// SPDX-License-Identifier: Apache-2.0
/// What the keys of the plugins of this folder ask of the node's policy. core/cni/guard.h says how they are read;
/// packaging/plugin_table.cc puts the guards to their plugins.
#pragma once

#include "core/cni/guard.h"

namespace barewire {

extern const cni::Guard kOvsGuard;
extern const cni::Guard kOvsMirrorGuard;  ///< of ovs-mirror-producer and ovs-mirror-consumer
extern const cni::Guard kUserspaceGuard;

}  // namespace barewire
