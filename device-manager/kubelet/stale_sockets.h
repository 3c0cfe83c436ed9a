// SPDX-License-Identifier: Apache-2.0
/// Sockets of daemons of other instances that were killed: kubelet would go on trying to reach them.
#pragma once

#include <chrono>
#include <string>

namespace barewire::kubelet {

/// Removes the sockets below `directory` that are called STEM-INSTANCE + `end`, whatever the instance, but for `own` (a
/// path): those that refuse a connection and have been there for `age`, since one that is just being made refuses, too.
/// Whatever cannot be looked at stays. Returns their names, for the log.
std::string remove_stale_sockets(const std::string& directory, const std::string& stem, const std::string& end,
                                 const std::string& own, std::chrono::seconds age = std::chrono::seconds(60));

}  // namespace barewire::kubelet
