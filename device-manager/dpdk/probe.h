// SPDX-License-Identifier: Apache-2.0
/// Asking DPDK of one device, with all that has to hold before: nobody else has it, and DPDK could drive it as it is
/// bound. The core of barewire-dpdk-probe.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <string>

#include "core/node.h"

namespace barewire::dpdk {

/// Long enough for the firmware of large NICs; a lock of the PF is held meanwhile, so not longer.
inline constexpr std::chrono::seconds kProbeLimit{20};

/// Of the PCI function at `device`, or with the netdev `device`; keeps the report (core/vf/dpdk_report.h) when `keep`.
/// Holds the PF's lock, as ADD and DEL do, so that no pod is given the device meanwhile. Throws Error{device} when
/// there is none, Error{held} when somebody has it, Error{unsupported_by_nic} when its driver keeps DPDK out; nothing
/// was touched then. Error{delegate} when the EAL did not start, died or took longer than `limit`: then nothing is
/// known of the device.
boost::json::object probe_device(const Node& node, const std::string& device, std::chrono::milliseconds limit,
                                 bool keep);

/// Of a virtual device, "net_null0,size=64". Throws Error{delegate} as above.
boost::json::object probe_virtual(const Node& node, const std::string& vdev, std::chrono::milliseconds limit);

}  // namespace barewire::dpdk
