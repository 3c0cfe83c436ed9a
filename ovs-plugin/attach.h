// SPDX-License-Identifier: Apache-2.0
/// ADD of the plugins ovs and userspace: a port of Open vSwitch with a pod behind it. work.h has the steps, check.h
/// compares, undo.h takes it down again.
#pragma once

#include <string_view>

#include "core/cni/request.h"
#include "core/cni/result.h"
#include "core/node.h"

namespace barewire::ovs {

/// `plugin` keeps the record. Throws cni::LackError when the switch or its bridge is not there; whatever it throws,
/// nothing stays.
cni::Result attach_port(const cni::Request& request, Node& node, std::string_view plugin);

}  // namespace barewire::ovs
