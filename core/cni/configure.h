// SPDX-License-Identifier: Apache-2.0
/// Giving an interface the addresses and routes of a Result, announcing them, and telling where an interface and a
/// Result differ. Shared by every plugin that makes or moves an interface; works on what core/kernel offers.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/cni/result.h"
#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"

namespace barewire::cni {

/// How long IPv6 duplicate address detection may take; one probe is a second. Source: RFC 4862 §5.1.
inline constexpr std::chrono::seconds kDadTimeout{10};

/// Makes every address of `result` belong to interface `position` of result.interfaces, as an interface plugin must do
/// with what IPAM answered.
void assign_addresses_to(Result& result, int position);

/// Gives `link`, which is `result.interfaces[position]`, its addresses (IPv6 is enabled first where it is off), brings
/// it up, waits for duplicate address detection where an IPv6 gateway needs it, and adds the routes: one without a
/// gateway takes the first gateway of its family, and the gateway 0.0.0.0 or :: says that there is none to take, the
/// destination being on the link. `socket` is of `netns`; `link` may be up or down. Throws
/// Error{config} when an address names no interface, KernelError naming the object, Error{ipam} when an address is in
/// use by another host (duplicate address detection failed). Source: CNI spec 1.1.0 "Success";
/// Documentation/networking/ip-sysctl.rst (disable_ipv6, keep_addr_on_down).
void configure_interface(const kernel::NetNs& netns, kernel::NlSocket& socket, const kernel::Link& link,
                         const Result& result, int position);

/// Waits until none of the IPv6 ones among `addresses` of `link` is being probed any more. Throws Error{ipam} when
/// another host has one.
void wait_for_addresses(kernel::NlSocket& socket, const kernel::Link& link, const std::vector<IpPrefix>& addresses);

/// Tells the neighbours of `link` that the addresses of `result.interfaces[position]` are there now: of IPv6 ones only
/// what is not being probed any more (core/kernel/announce.h). Packets must pass by now. Throws Error{io}, KernelError.
void announce_addresses(const kernel::NetNs& netns, kernel::NlSocket& socket, const kernel::Link& link,
                        const Result& result, int position);

/// As configure_interface, for an interface that lost some of it: adds what compare_interface finds missing, each route
/// in the table where the interface has its own.
void complete_interface(const kernel::NetNs& netns, kernel::NlSocket& socket, const kernel::Link& link,
                        const Result& result, int position);

/// What of `expected` the kernel does not have: addresses of interface `position`, and all routes. Readable clauses, as
/// "address 10.1.2.3/24 is missing". More than expected is no difference, nor is a route in the table of the
/// interface's VRF or of a rule for one of its addresses: later plugins of a chain may add, and put it there. Of a
/// member of a bond nothing is expected, since all of it is the bond's.
std::vector<std::string> compare_interface(kernel::NlSocket& socket, const kernel::Link& link, const Result& expected,
                                           int position);

/// CHECK of addresses and routes. Throws Error{drift} "net1: address … is missing; …" when compare_interface finds any.
void check_interface(kernel::NlSocket& socket, const kernel::Link& link, const Result& expected, int position);

/// Whether `link` is part of a bond or team, which then has the say over its MAC, MTU, addresses and routes.
bool is_bonded(kernel::NlSocket& socket, const kernel::Link& link);

/// The interface `name` with a sandbox in `result`; throws Error{config} that names prevResult when there is none.
int find_position(const Result& result, const std::string& name);

}  // namespace barewire::cni
