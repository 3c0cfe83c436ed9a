// SPDX-License-Identifier: Apache-2.0
/// Which flow rules a port of DPDK would take: a fixed list of patterns, each with a few actions, validated and never
/// made. Part of barewire-dpdk-probe. Source: DPDK's programmer's guide, "Generic flow API".
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>

namespace barewire::dpdk {

/// One object per rule: "pattern" ("eth / ipv4 / udp"), "action" ("queue", "drop", "mark"), "valid", and of one that is
/// not, "why" in the driver's words. `port` is configured with one queue. Throws nothing but std::bad_alloc.
boost::json::array validate_flows(std::uint16_t port);

}  // namespace barewire::dpdk
