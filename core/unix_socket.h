// SPDX-License-Identifier: Apache-2.0
/// Sockets in the file system: their addresses, and whether somebody listens. Used by the daemons and those who call
/// them, the OVSDB client and vhost-user ports; each call stands alone. Source: unix(7).
#pragma once

#include <sys/un.h>

#include <optional>
#include <string>

namespace barewire {

/// Bytes of a socket's path, the zero at its end not counted.
inline constexpr std::size_t kLongestSocketPath = sizeof(sockaddr_un::sun_path) - 1;

/// The address of `path` for bind(2) and connect(2). Throws Error{environment} when it is longer than
/// kLongestSocketPath: the kernel would cut it off.
sockaddr_un unix_address(const std::string& path);

/// Whether a program listens at `path`; does not wait for it to accept. Throws Error{environment}, Error{io}.
bool has_listener(const std::string& path);

/// The process that listens at `path`, as it was when it began to; nullopt when none does, or its queue is full. Throws
/// as has_listener. Source: unix(7), SO_PEERCRED.
std::optional<pid_t> find_listener(const std::string& path);

}  // namespace barewire
