// SPDX-License-Identifier: Apache-2.0
/// A plugin's call handed to the daemon over its unix socket: one JSON object each way, ended by closing. The answer is
/// what the plugin prints. Used by both ends: dhcp.cc calls, server.h answers. docs/decisions/dhcp.md says why it is
/// not the reference daemon's protocol.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/cni/request.h"

namespace barewire::ipam::dhcp {

/// What goes over the socket.
std::string encode_call(const cni::Request& request);
/// Throws Error{decode}, or what Request::parse does.
cni::Request decode_call(std::string_view bytes);

/// nullopt when no daemon listens at `path`. Throws Error{io} when it died or fell silent, or the error it answered.
std::optional<cni::Result> call_daemon(const std::string& path, const cni::Request& request,
                                       std::chrono::seconds timeout);

}  // namespace barewire::ipam::dhcp
