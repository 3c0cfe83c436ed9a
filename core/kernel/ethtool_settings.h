// SPDX-License-Identifier: Apache-2.0
/// What a netdev's driver keeps of whoever used it last: offloads, queues, rings, coalescing, pause frames, how
/// received packets are spread. For handing a device on as it was; link_traits.h has what the kernel itself keeps.
/// Source: ethtool(8); include/uapi/linux/ethtool.h.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace barewire::kernel {

/// By name ("features", "channels", "ring", …): hexadecimal text of what the driver answered. What it cannot tell is
/// missing.
using EthtoolSettings = std::map<std::string, std::string>;

/// Of a netdev in the calling thread's netns. Throws Error{io} when no socket can be opened.
EthtoolSettings read_ethtool_settings(const std::string& netdev);
/// Sets back what differs from `wanted`. Returns the names of what the driver did not take, or has no way to be told.
std::vector<std::string> restore_ethtool_settings(const std::string& netdev, const EthtoolSettings& wanted);

}  // namespace barewire::kernel
