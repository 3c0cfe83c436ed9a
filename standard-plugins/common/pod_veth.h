// SPDX-License-Identifier: Apache-2.0
/// The veth pair of an attachment, for bridge and ptp: recorded, told in results, taken down.
#pragma once

#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/cni/result.h"
#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "core/state/attachment.h"

namespace barewire::standard {

/// The host's end: from the record; without one, the peer of the interface in the pod.
void remove_pod_veth(const state::Attachment& attachment);

/// An entry of the result. `sandbox` is empty for links of the host.
cni::Interface interface_of(const kernel::Link& link, const std::string& sandbox = {});

/// The interface `request.ifname` of the pod. Throws Error{drift} when missing, and when its MAC or the netns is not
/// the one `previous` tells. `inside` is of the netns.
kernel::Link check_container_interface(kernel::NlSocket& inside, const cni::Request& request,
                                       const cni::Result& previous, int position);

/// Lets the address announce itself when the link comes up, and sets duplicate address detection of IPv6.
/// Source: ip-sysctl.rst: arp_notify, accept_dad, enhanced_dad.
void set_announcing(const kernel::NetNs& netns, const std::string& ifname, const cni::Result& result,
                    bool duplicate_address_detection);

/// Throws Error{drift} "<subject>: a; b" when there are clauses.
void throw_drift(const std::string& subject, const std::vector<std::string>& clauses);

}  // namespace barewire::standard
