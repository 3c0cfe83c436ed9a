// SPDX-License-Identifier: Apache-2.0
/// Making the node the gateway of its pods: gateway addresses, default routes, forwarding. For bridge and ptp.
#pragma once

#include <functional>
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
/// The gateways with their subnets' lengths, each once; 0.0.0.0 and :: are none.
std::vector<IpPrefix> gateways_of(const cni::Result& result);
struct GatewayTerms {
  bool force = false;  ///< replace another IPv4 address, or an IPv6 one of an overlapping subnet
  /// Asked when an IPv6 address is added: duplicate address detection first? Without it, it can be used at once.
  std::function<bool()> probe;
};
/// Gives `link` the address; harmless when it has it. Throws Error{held} where another one would have to be replaced,
/// KernelError.
void ensure_gateway(kernel::NlSocket& socket, const kernel::Link& link, const IpPrefix& gateway,
                    const GatewayTerms& terms);

/// Switches on forwarding for the families of `ips` in the caller's netns. Source: ip-sysctl.rst, ip_forward.
void enable_forwarding(const std::vector<cni::IpConfig>& ips);
/// The families of `ips` that are not forwarded, as clauses.
std::vector<std::string> compare_forwarding(const std::vector<cni::IpConfig>& ips);

}  // namespace barewire::standard
