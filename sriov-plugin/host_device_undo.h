// SPDX-License-Identifier: Apache-2.0
/// The record of a host-device attachment, undoing it, comparing it with the kernel: what host_device.cc builds on.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/state/attachment.h"
#include "core/vf/host.h"
#include "core/vf/record.h"
#include "sriov-plugin/host_device_config.h"

namespace barewire::host_device {

inline constexpr std::string_view kPlugin = "host-device";

struct DeviceRecord {
  std::string claim;   ///< what it is claimed under
  std::string parent;  ///< parent device of the netdev, or what is on a user-space driver; empty: virtual netdev
  std::string driver;
  std::optional<vf::NetdevState> netdev;  ///< before ADD; absent: on a user-space driver
  int pod_index = 0;                      ///< ifindex in the pod
};
/// Throws Error{state} naming the key.
DeviceRecord parse_record(const state::Attachment& attachment);
/// `device` as it is before ADD touches it. Throws KernelError.
DeviceRecord capture(vf::Host& host, const Device& device);
boost::json::object to_json(const DeviceRecord& record);

/// Releases addresses (when `addressed`), brings the device home wherever and under whatever name it is, gives up the
/// claim; the record goes when all of that is done. All parts are tried; throws the first failure. A virtual device
/// that died with its netns needs nothing.
void detach(vf::Host& host, const state::Attachment& attachment, bool addressed, const std::string& cni_path,
            Node& node);

/// DEL of what the reference plugin attached: it left the host's name in the link's alias and nothing else. The alias
/// is anybody's to write, so it counts only for a link that the config identifies or that is called CNI_IFNAME, and the
/// config's "device" goes before it.
void detach_reference(vf::Host& host, const cni::Request& request);

/// CHECK against prevResult and, where there is one, the record. Throws Error{drift} naming all differences.
void check_attachment(const cni::Request& request, const std::optional<state::Attachment>& attachment);

}  // namespace barewire::host_device
