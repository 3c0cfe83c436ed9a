// SPDX-License-Identifier: Apache-2.0
/// How the offloaded share of each port has changed lately, for the page: a snapshot tells the moment alone. Metrics
/// have it too, for longer. In memory, bounded.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "device-manager/switch_snapshot.h"

namespace barewire::manager {

/// Of one thread; the clock is the caller's.
class OffloadHistory {
 public:
  using Time = std::chrono::sys_seconds;
  static constexpr std::chrono::minutes kKept{10};
  static constexpr std::size_t kMostChanges = 60;  ///< of one port

  /// Notes ports whose share is another than before; ports that are gone are forgotten.
  void note(const SwitchSnapshot& snapshot, Time now);
  /// By port: [{"at": RFC 3339, "share": percent, or null without flows, "why": words or null}], the oldest first.
  boost::json::object to_json() const;

 private:
  struct Change {
    Time at;
    std::optional<unsigned> share;
    std::string why;
  };
  std::map<std::string, std::deque<Change>> ports_;
};

}  // namespace barewire::manager
