// SPDX-License-Identifier: Apache-2.0
/// Telling the neighbours that an address has moved here: gratuitous ARP and unsolicited neighbour advertisement.
#pragma once

#include <vector>

#include "core/ip.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {

/// Sends one announcement per address out of interface `index` of `netns`, through a packet socket opened there.
/// Source: RFC 5227 §3 (ARP announcement), RFC 4861 §7.2.6 (unsolicited NA, override flag). Throws Error{io}.
void announce(const NetNs& netns, int index, const MacAddress& mac, const std::vector<IpAddress>& addresses);

}  // namespace barewire::kernel
