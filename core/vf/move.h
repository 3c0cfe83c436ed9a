// SPDX-License-Identifier: Apache-2.0
/// Moving a device's netdev into a pod and back: finding it wherever it is by now, under whatever name. Used by the
/// plugins that hand over existing devices; restore.h builds on it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/vf/host.h"
#include "core/vf/netns_search.h"
#include "core/vf/record.h"

namespace barewire::vf {

/// What tells a netdev from all others, although a pod may have renamed it.
struct Identity {
  std::string parent_device;  ///< "0000:01:10.0", or an auxiliary device; empty: a virtual netdev
  std::string host_name;      ///< on the host, before ADD
  std::string pod_name;       ///< CNI_IFNAME
  int pod_index = 0;          ///< ifindex in the pod; 0 when ADD did not live to record it
  std::string kind;
  std::optional<MacAddress> mac;  ///< effective, before ADD
  std::optional<MacAddress> perm_mac;
  std::string phys_port_name;  ///< where a device has several netdevs; empty: not told
};
Identity identity_of(const VfRecord& record, const std::string& pod_name);

/// A netdev and the netns it is in.
struct Located {
  kernel::NetNs netns;
  kernel::NlSocket socket;
  kernel::Link link;
  bool on_host = false;
};
/// On the host, in the pod's netns, or (with a parent device) in any other netns. A virtual netdev is looked for in the
/// pod first: on the host another one may have its name by now. nullopt: nowhere in sight.
std::optional<Located> locate(Host& host, const Identity& identity, const PodNetns& pod);
/// As locate; a netns that is dying gives its devices back a moment later, so this waits up to `patience`.
std::optional<Located> await_netdev(Host& host, const Identity& identity, const PodNetns& pod,
                                    std::chrono::milliseconds patience);

/// Moves `link` from the host into `pod` under `name`, down, in one request: no other name is ever seen. Alternative
/// names that stand in the way are removed. Returns it as it is there.
/// Throws Error{held} when the pod has an interface of that name, KernelError.
kernel::Link move_in(Host& host, kernel::Link link, const kernel::NetNs& pod, kernel::NlSocket& pod_socket,
                     const std::string& name);

/// Brings a netdev back to the host under its original name, down (unless it is there already) and sanitised: nothing
/// standing on it in the pod's netns, not promiscuous, no alternative names but its own, MTU and queue length as they
/// were. Where another interface has taken the name meanwhile it gets a free one ("dev7"), and a line in the log.
/// Returns it as it is on the host. Throws KernelError.
kernel::Link move_home(Host& host, Located& located, const NetdevState& original);

}  // namespace barewire::vf
