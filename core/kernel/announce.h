// SPDX-License-Identifier: Apache-2.0
/// Telling the neighbours that an address has moved here: gratuitous ARP and unsolicited neighbour advertisement.
/// core/cni/configure.h decides when.
#pragma once

#include <vector>

#include "core/ip.h"
#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {

/// Sends one announcement per address out of interface `index` of `netns`, through a packet socket opened there;
/// `socket` is of `netns`. An IPv6 address that is still being probed is nobody's yet and stays unsaid: the kernel
/// tells of it as soon as the probe has ended, where ndisc_notify is set. Source: RFC 5227 §3 (ARP announcement), RFC
/// 4861 §7.2.6 (unsolicited NA, override flag), RFC 4862 §5.4, RFC 4429 §3.3. Throws Error{io}, KernelError.
void announce(NlSocket& socket, const NetNs& netns, int index, const MacAddress& mac,
              const std::vector<IpAddress>& addresses);

}  // namespace barewire::kernel
