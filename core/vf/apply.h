// SPDX-License-Identifier: Apache-2.0
/// What ADD does to a VF that it has claimed: the PF's settings, then the netdev into the pod. restore.h undoes it;
/// puts move.h, mac.h and settings.h into their order.
#pragma once

#include <optional>
#include <string>

#include "core/vf/habits.h"
#include "core/vf/host.h"
#include "core/vf/record.h"

namespace barewire::vf {

/// Sets what `record.settings` asks of the PF, the admin MAC among it. The PF's lock is held. Nothing where the PF
/// tells nothing of its VFs. Throws KernelError, Error{device} when the PF has no netdev on the host.
void configure_vf(Host& host, const VfRecord& record, const Habits& habits);

/// The netdev into `pod` under `name`, with what `record.settings` asks of it, up, with its effective MAC; notes its
/// ifindex there in `record`. nullopt on a user-space driver: there is none. Throws KernelError, Error{held}.
std::optional<kernel::Link> enter_pod(Host& host, VfRecord& record, const kernel::NetNs& pod, const std::string& name,
                                      const Habits& habits);

}  // namespace barewire::vf
