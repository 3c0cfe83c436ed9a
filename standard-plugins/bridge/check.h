// SPDX-License-Identifier: Apache-2.0
/// CHECK of the bridge plugin: every piece that ADD made, compared with the kernel: bridge, port, VLANs, rules,
/// addresses, routes. Changes nothing.
#pragma once

#include "core/cni/request.h"
#include "core/node.h"

namespace barewire::standard {

/// Throws Error{drift} naming what is missing or different; Error{config} without prevResult.
void check_bridge(const cni::Request& request, Node& node);

}  // namespace barewire::standard
