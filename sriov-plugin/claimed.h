// SPDX-License-Identifier: Apache-2.0
/// What a resource claim asks of the VF that a call is about: its parameters become keys of the network configuration.
#pragma once

#include "core/cni/request.h"
#include "core/node.h"

namespace barewire::sriov {

/// `request` with the keys that the claim adds, for ADD; as it is when the device is of no claim. Throws Error{config}
/// where claim and configuration contradict each other, Error{state} when the claim cannot be read.
cni::Request with_claim(const cni::Request& request, const Node& node);

}  // namespace barewire::sriov
