// SPDX-License-Identifier: Apache-2.0
/// The time of day in UTC. Of its own, since the C library reads /etc/localtime before it says what UTC is.
#pragma once

#include <chrono>
#include <string>

namespace barewire {

/// "2026-01-31T23:59:58"; the caller appends fractions and "Z". RFC 3339.
std::string utc_text(std::chrono::system_clock::time_point time);

}  // namespace barewire
