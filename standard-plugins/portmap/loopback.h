// SPDX-License-Identifier: Apache-2.0
/// Mappings that the node itself uses through 127.0.0.1: what the kernel has to be told for them, and the boundary that
/// this would open. With route_localnet on, a packet from the network to 127.0.0.0/8 is routed like any other; a chain
/// in front of connection tracking drops such packets, so that 127.0.0.1 stays the node's own, whichever backend maps.
/// Source: ip-sysctl.rst, route_localnet; CVE-2020-8558.
#pragma once

#include <string>
#include <vector>

#include "core/node.h"
#include "standard-plugins/portmap/plan.h"

namespace barewire::standard {

/// Guards first, then lets connections from 127.0.0.1 leave by the links to the pod. Nothing without "snat" or an IPv4
/// address. Throws KernelError.
void open_loopback(const PortmapPlan& plan, const Node& node);
/// With the last pod the guard goes, and route_localnet is off again where it was.
void close_loopback(const PortmapPlan& plan, const Node& node);
/// What is missing, as clauses.
std::vector<std::string> compare_loopback(const PortmapPlan& plan);

}  // namespace barewire::standard
