// SPDX-License-Identifier: Apache-2.0
/// Promising devices: the one way in which the device plugin, resource claims and the admin's command take a device and
/// give it back. It holds the lock under which plugins claim VFs, so that no device is promised twice.
#pragma once

#include <string>

#include "core/node.h"
#include "core/state/allocation.h"
#include "core/vf/host.h"

namespace barewire::inventory {

/// Records `wanted`. The same promiser may take its own device again, which replaces the record: kubelet does so while
/// the pod before is still being torn down. Throws Error{held} naming who has the device, Error{device} when it is not
/// on this node, Error{try_again} when its lock cannot be had within `patience`.
void allocate(vf::Host& host, const state::Allocation& wanted,
              std::chrono::milliseconds patience = state::kLockTimeout);

/// Removes the promise that `by` and `owner` made; another's stays. True when there was one.
bool release(vf::Host& host, const std::string& device, const std::string& by, const std::string& owner,
             std::chrono::milliseconds patience = state::kLockTimeout);

/// Records what was given away already, whoever uses it; false when it is promised to another.
bool record_given(vf::Host& host, const state::Allocation& given);

/// Tells the record for whom kubelet, or the API server, has the device; false when there is no such promise any more.
bool name_pod(vf::Host& host, const state::Allocation& known);

}  // namespace barewire::inventory
