// SPDX-License-Identifier: Apache-2.0
/// Whether this process can see every process of the node, without which no pod can be told dead. Asked by the commands
/// and the daemon before they look; which attachments are dead core/cni/life.h tells.
#pragma once

#include <string>

namespace barewire::manager {

/// Throws Error{environment} in a PID namespace other than the node's first: a netns that only processes hold would be
/// taken for gone there. Source: include/linux/proc_ns.h, PROC_PID_INIT_INO.
void require_every_process(const std::string& proc = "/proc");

}  // namespace barewire::manager
