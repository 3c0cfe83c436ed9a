// SPDX-License-Identifier: Apache-2.0
/// What flows through the node's VFs: what their PFs counted of them, and from two counts a rate. For topology.h and
/// the page; metrics have the counters alone, since Prometheus makes its own rates.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device-manager/snapshot.h"

namespace barewire::manager {

/// Of one VF. Absent: the driver does not count it, or there are no two counts yet.
struct VfTraffic {
  std::optional<std::uint64_t> rx_bytes{}, tx_bytes{};  ///< since the driver was loaded or the VF was reset
  std::optional<std::uint64_t> rx_rate{}, tx_rate{};    ///< bytes a second
  friend bool operator==(const VfTraffic&, const VfTraffic&) = default;
};
/// By the VF's PCI address.
using Traffic = std::map<std::string, VfTraffic>;

/// Counters of all VFs of `pfs`: one netlink request per PF. A PF that cannot be asked is named in `problems`.
Traffic read_traffic(const std::vector<PfEntry>& pfs, std::vector<std::string>& problems);

/// read_traffic, into the VFs of `snapshot`; a PF that cannot be asked is one of its problems.
void add_traffic(Snapshot& snapshot);

/// Makes rates of one count after another. Of one thread; the clock is the caller's.
class TrafficMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// `now` with rates since the count before. None for a VF that is new, or whose counter went back: it was reset.
  Traffic measure(Traffic now, Time time);

 private:
  Traffic before_;
  std::optional<Time> when_;
};

}  // namespace barewire::manager
