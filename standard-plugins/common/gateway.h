// SPDX-License-Identifier: Apache-2.0
/// Making the node the gateway of its pods: gateway addresses, default routes, forwarding. For bridge and ptp.
#pragma once

#include <string>
#include <vector>

#include "core/cni/result.h"
#include "core/kernel/link.h"
#include "core/kernel/netlink.h"

namespace barewire::standard {

/// Gives every address of `result` without a gateway the first address of its subnet as its gateway.
void default_gateways(cni::Result& result);
/// Adds a default route through the gateway for each family that has an address and no default route with a gateway.
void add_default_routes(cni::Result& result);
/// The gateways with their subnets' lengths, each once.
std::vector<IpPrefix> gateways_of(const cni::Result& result);
/// Gives `link` the address; harmless when it has it. Another IPv4 address, or an IPv6 one of an overlapping subnet, is
/// replaced with `force` and else refused with Error{held}.
void ensure_gateway(kernel::NlSocket& socket, const kernel::Link& link, const IpPrefix& gateway, bool force);

/// Switches on forwarding for the families of `ips` in the caller's netns. Source: ip-sysctl.rst, ip_forward.
void enable_forwarding(const std::vector<cni::IpConfig>& ips);
/// The families of `ips` that are not forwarded, as clauses.
std::vector<std::string> compare_forwarding(const std::vector<cni::IpConfig>& ips);

}  // namespace barewire::standard
