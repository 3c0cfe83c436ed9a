// SPDX-License-Identifier: Apache-2.0
/// How a daemon is told to stop.
#pragma once

#include "core/fd.h"

namespace barewire {

/// Readable once SIGTERM or SIGINT has come; from now on they do nothing else. Does not block. Throws Error{io}.
/// Source: signalfd(2).
Fd open_stop_signals();

}  // namespace barewire
