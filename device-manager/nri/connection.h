// SPDX-License-Identifier: Apache-2.0
/// The socket to a container runtime, from connecting until one of the two goes. session.h has what is said on it.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/fd.h"
#include "device-manager/nri/session.h"

namespace barewire::nri {

/// Connects to the runtime's socket at `path`, registers as `name` and serves it. Returns when the runtime has closed
/// the connection, or `stop` is readable. Throws Error{io} when nobody listens, or the runtime does not go on within
/// its own limits; Error{decode} when what it sends cannot be followed. Waits without a timer once it is configured.
void serve(const std::string& path, const std::string& name, const Hooks& hooks, int stop);

}  // namespace barewire::nri
