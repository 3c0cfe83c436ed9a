// SPDX-License-Identifier: Apache-2.0
/// Calling another plugin: an IPAM plugin, a chain's next, a fallback. Found on CNI_PATH; when it is this same program
/// (device and inode) the call is a function call with the same bytes, environment and error contract as an exec. So it
/// is when CNI_PATH has no such plugin and this program has: what is built in needs no directory.
/// Source: CNI spec 1.1.0 section 4, "Plugin Delegation".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/cni/plugin.h"

namespace barewire::cni {

/// Runs plugin `type` with `environment` and `stdin_bytes`. Throws Error{delegate} when it is not on CNI_PATH (naming
/// the directories searched), and the delegate's own error, code kept, when it fails.
/// Returns what it printed. The delegate's stderr passes through.
std::string call_plugin(const std::string& type, const Environment& environment, const std::string& stdin_bytes,
                        Node& node);

/// ADD of plugin `type`: its result, which is of `version` where it names none. Throws as call_plugin.
Result delegate_add(const std::string& type, const Environment& environment, const std::string& config,
                    const Version& version, Node& node);

/// DEL of plugin `type`, on CNI_PATH, built in, or beside this program. One that is nowhere is logged with what stays:
/// nobody could ever ask it, and a pod must not wait for ever. Throws the delegate's own error.
void delegate_del(const std::string& type, const Environment& environment, const std::string& config, Node& node);

/// Throws Error{delegate} when plugin `type` is neither on CNI_PATH nor built in.
void require_plugin(const std::string& type, const Environment& environment, const Node& node);

/// IPAM of `request`, called with its stdin byte for byte. All do nothing (ipam_add: an empty Result) without
/// "ipam.type".

/// As require_plugin, and throws Error{config} for a plugin of this program that gives no addresses: asked before an
/// ADD touches anything.
void require_ipam(const Request& request, const Node& node);
/// After a failed ADD the IPAM's DEL is called before this throws (spec section 4). A result without addresses is an
/// Error{ipam}.
Result ipam_add(const Request& request, Node& node);
/// As delegate_del.
void ipam_del(const Request& request, Node& node);
/// An IPAM that says CHECK is "not implemented" (whereabouts) is taken as content; logged.
void ipam_check(const Request& request, Node& node);
void ipam_gc(const Request& request, Node& node);
void ipam_status(const Request& request, Node& node);

/// DEL of IPAM from what a record kept, whatever the present configuration says.
void ipam_del(const std::string& ipam_type, const Environment& environment, const std::string& stdin_bytes, Node& node);

}  // namespace barewire::cni
