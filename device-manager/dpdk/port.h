// SPDX-License-Identifier: Apache-2.0
/// What one port of DPDK is and can do. Part of barewire-dpdk-probe, in the process that has started the EAL.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>

namespace barewire::dpdk {

/// Everything known of `port`, as docs/node.md lists the keys. Configures it with one queue each way, starts and stops
/// it. With `isolated` (a port that shares its traffic with a kernel driver) it asks first to be given none of it, and
/// is not started where the driver cannot promise that. What the driver refuses is told, not thrown.
boost::json::object describe_port(std::uint16_t port, bool isolated);

}  // namespace barewire::dpdk
