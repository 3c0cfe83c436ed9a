// SPDX-License-Identifier: Apache-2.0
/// What the keys of the IPAM plugins ask of the node's policy; asked too when an interface plugin names one of them
/// under "ipam", wherever the program of that name comes from. core/cni/guard.h says how they are read; plugins.h has
/// the plugins.
#pragma once

#include "core/cni/guard.h"

namespace barewire::ipam {

/// Tables without state: who bounds the node's policy asks them, and none of the plugins has to run.
extern const cni::Guard kDhcpGuard;
extern const cni::Guard kHostLocalGuard;
extern const cni::Guard kStaticGuard;

}  // namespace barewire::ipam
