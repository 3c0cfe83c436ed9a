// SPDX-License-Identifier: Apache-2.0
/// What only the daemon knows and no look at the node finds: its parts tell it as it is, a scrape of the daemon prints
/// it. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "device-manager/metrics/exposition.h"

namespace barewire::metrics {

/// Devices of a resource that kubelet was told are unhealthy, by one of the ways it is told ("device plugin",
/// "claims").
void tell_unhealthy(const std::string& resource, const std::string& way, std::uint64_t devices);

/// Of calls whose spans were taken by the collector, or were given up since the daemon began.
struct TraceCount {
  std::uint64_t sent = 0;
  std::uint64_t dropped = 0;
};
/// Adds to what was told before.
void tell_traces(const TraceCount& more);

/// Families without anything that was told are left out.
void write_told(Exposition& page);

}  // namespace barewire::metrics
