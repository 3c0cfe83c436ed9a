// SPDX-License-Identifier: Apache-2.0
/// The address management plugins, for the programs that hold them. Keys: docs/configuration/dhcp.md,
/// host-local.md, static.md.
#pragma once

#include "core/cni/plugin.h"

namespace barewire::ipam {

namespace host_local {
/// Reserves one address of each range set. Throws Error{config} for a wrong key, {held} when the attachment has an
/// address already or a requested one is taken, {try_again} when a range set is exhausted; nothing stays reserved then.
cni::Result add(const cni::Request& request, Node& node);
/// Releases what the attachment holds. Succeeds when there is nothing, and with a configuration ADD would refuse.
void del(const cni::Request& request, Node& node);
/// Throws Error{drift} when the attachment holds no address, or not one of "prevResult" that lies in its ranges.
void check(const cni::Request& request, Node& node);
/// Releases what belongs to none of "cni.dev/valid-attachments"; nothing when that key is absent.
void gc(const cni::Request& request, Node& node);
/// Throws Error{not_available} when the directory cannot be written or, with "strictStatus", a range set is exhausted.
void status(const cni::Request& request, Node& node);
/// Throws Error{config} for a key that ADD would refuse.
void validate(const cni::Request& request);
}  // namespace host_local

namespace static_addresses {
/// The addresses as they are written, unless the runtime names others; an "IP" of CNI_ARGS comes beside. Throws
/// Error{config}.
cni::Result add(const cni::Request& request, Node& node);
/// Throws Error{drift} when "prevResult" lacks a configured address or has another gateway for it.
void check(const cni::Request& request, Node& node);
/// Throws Error{config} for a configuration ADD would refuse.
void status(const cni::Request& request, Node& node);
/// As status.
void validate(const cni::Request& request);
}  // namespace static_addresses

namespace dhcp {
/// A lease of the server on the pod interface's network, which the daemon keeps from then on. Throws Error{config} for
/// a wrong key, {io} without the daemon, {ipam} when no server gives one; nothing stays then.
cni::Result add(const cni::Request& request, Node& node);
/// Releases the lease, through the daemon or, where none runs, from the record on disk. Succeeds when there is nothing.
void del(const cni::Request& request, Node& node);
/// Throws Error{drift} when there is no lease, it has run out, or "prevResult" lacks its address.
void check(const cni::Request& request, Node& node);
/// Releases what belongs to none of "cni.dev/valid-attachments"; nothing when that key is absent.
void gc(const cni::Request& request, Node& node);
/// Throws Error{not_available} when the daemon does not answer.
void status(const cni::Request& request, Node& node);
/// Throws Error{config} for a key that ADD would refuse.
void validate(const cni::Request& request);
/// Was this program called as `dhcp daemon …`? Its own name counts too: the same program is every plugin.
bool is_daemon_call(int argc, char* const* argv);
/// The daemon, until it is stopped: returns the exit status. ipam/dhcp/daemon_options.h has its flags.
int daemon(int argc, char* const* argv);
}  // namespace dhcp

inline constexpr cni::Plugin kDhcp{.name = "dhcp",
                                   .about = "takes addresses of a DHCP server on the network, and keeps them",
                                   .add = dhcp::add,
                                   .del = dhcp::del,
                                   .check = dhcp::check,
                                   .gc = dhcp::gc,
                                   .status = dhcp::status,
                                   .validate = dhcp::validate,
                                   .role = cni::Plugin::Role::gives_addresses};

inline constexpr cni::Plugin kHostLocal{.name = "host-local",
                                        .about = "reserves addresses of ranges on this node, in files",
                                        .add = host_local::add,
                                        .del = host_local::del,
                                        .check = host_local::check,
                                        .gc = host_local::gc,
                                        .status = host_local::status,
                                        .validate = host_local::validate,
                                        .role = cni::Plugin::Role::gives_addresses};

/// Nothing is kept, so DEL and GC have nothing to do.
inline constexpr cni::Plugin kStatic{.name = "static",
                                     .about = "gives the addresses written in the configuration",
                                     .add = static_addresses::add,
                                     .check = static_addresses::check,
                                     .status = static_addresses::status,
                                     .validate = static_addresses::validate,
                                     .role = cni::Plugin::Role::gives_addresses};

}  // namespace barewire::ipam
