// SPDX-License-Identifier: Apache-2.0
/// Making a netdev that was in a pod what it was before: what stands on it goes, what the kernel and its driver keep of
/// the pod is set back. Used by restore.h and host-device; move.h has brought it home by then.
/// docs/decisions/core-vf.md says why it is done this way.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <vector>

#include "core/json_view.h"
#include "core/kernel/ethtool_settings.h"
#include "core/kernel/link_traits.h"
#include "core/vf/host.h"

namespace barewire::vf {

/// What a pod with CAP_NET_ADMIN can change of a netdev, and moving it does not undo. Addresses, routes, neighbours,
/// qdiscs and sysctls need none of this: the kernel drops them as a netdev changes its netns.
struct DeviceState {
  kernel::LinkTraits link;
  kernel::EthtoolSettings ethtool;
  std::map<std::string, std::string> files;  ///< of its directory in sysfs: "threaded", "queues/rx-0/rps_cpus"
};

/// Of a netdev on the host. Throws KernelError.
DeviceState capture_device_state(Host& host, const kernel::Link& link);

/// What `now` would be if nobody had attached programs to it or changed its flags: for a netdev whose state nobody
/// recorded.
DeviceState without_traces(DeviceState now);

boost::json::object to_json(const DeviceState& state);
DeviceState parse_device_state(const JsonView& json);

/// Removes what the pod has stacked on `link`, which is on the host by now, in whatever netns it is: it would see the
/// next pod's frames. `pod` is where the link was. Returns what could not be removed, as clauses. Throws KernelError.
std::vector<std::string> remove_stacked_links(Host& host, const kernel::NetNs& pod, const kernel::Link& link);

/// Sets back what differs from `original`. Returns what is left, as clauses; then only binding the driver afresh helps.
/// Throws KernelError.
std::vector<std::string> restore_device_state(Host& host, const kernel::Link& link, const DeviceState& original);

}  // namespace barewire::vf
