// SPDX-License-Identifier: Apache-2.0
/// Settings of a netdev that ethtool(8) makes; devlink.h has what is only asked, ethtool_settings.h what is kept and
/// set back.
#pragma once

#include <string>

namespace barewire::kernel {

/// Whether the kernel leaves the checksums of what it sends to the device, or makes them itself (off); segmentation
/// goes off with them. In the calling thread's netns. Throws Error{io}. Source: ethtool(8), "-K DEVICE tx".
void set_tx_checksum(const std::string& netdev, bool on);

/// A feature bit by its name, e.g. "hw-tc-offload"; devlink.h's find_feature asks for one. In the calling thread's
/// netns. Throws Error{io} when the device does not have it or refuses. Source: ethtool(8), "-K".
void set_feature(const std::string& netdev, const std::string& feature, bool on);

}  // namespace barewire::kernel
