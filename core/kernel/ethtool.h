// SPDX-License-Identifier: Apache-2.0
/// Settings of a netdev that ethtool(8) makes; devlink.h has what is only asked, ethtool_settings.h what is kept and
/// set back.
#pragma once

#include <string>

namespace barewire::kernel {

/// Whether the kernel leaves the checksums of what it sends to the device, or makes them itself (off); segmentation
/// goes off with them. In the calling thread's netns. Throws Error{io}. Source: ethtool(8), "-K DEVICE tx".
void set_tx_checksum(const std::string& netdev, bool on);

}  // namespace barewire::kernel
