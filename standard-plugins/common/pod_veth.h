// SPDX-License-Identifier: Apache-2.0
/// The veth pair of an attachment, for bridge and ptp: recorded, told in results, taken down. core/kernel/veth.h makes
/// it.
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

/// Waits until packets pass between the two ends, which are up. Throws Error{device} naming the end that stays down.
void wait_for_pod_veth(kernel::NlSocket& host, const kernel::Link& port, kernel::NlSocket& inside,
                       const kernel::Link& link);

/// Router advertisements must not change the node's own routes. Source: ip-sysctl.rst, accept_ra.
void ignore_router_advertisements(const kernel::Link& host_link);

/// What the kernel does by itself about the addresses that `link` of `netns` will have. IPv4 ones announce themselves
/// when it comes up; cni::configure_interface sees to IPv6. `probing`: whether IPv6 ones are probed before they are
/// used; absent: as the pod has it. Only what `link` says is otherwise is set. Source: ip-sysctl.rst: arp_notify,
/// accept_dad, enhanced_dad.
void prepare_for_addresses(const kernel::NetNs& netns, const kernel::Link& link, std::optional<bool> probing);

/// Throws Error{drift} "<subject>: a; b" when there are clauses.
void throw_drift(const std::string& subject, const std::vector<std::string>& clauses);

}  // namespace barewire::standard
