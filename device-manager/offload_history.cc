// SPDX-License-Identifier: Apache-2.0
// Changes alone: a share that stays is one entry, however often it is looked at.
#include "device-manager/offload_history.h"

#include <boost/json/array.hpp>

#include "core/utc.h"
#include "device-manager/snapshot_json.h"

namespace barewire::manager {

void OffloadHistory::note(const SwitchSnapshot& snapshot, Time now) {
  std::map<std::string, std::deque<Change>> still_there;
  for (const BridgeEntry& bridge : snapshot.bridges) {
    for (const PortEntry& port : bridge.ports) {
      if (!port.offload) continue;
      std::deque<Change>& changes = still_there[port.name] = std::move(ports_[port.name]);
      const auto share = share_of(*port.offload);
      std::string why = why_in_software(*port.offload);
      if (changes.empty() || changes.back().share != share || changes.back().why != why)
        changes.push_back({now, share, std::move(why)});
      // One that is old is kept as long as it tells how it was at the beginning of the time that is kept.
      while (changes.size() > kMostChanges || (changes.size() > 1 && changes[1].at + kKept < now)) changes.pop_front();
    }
  }
  ports_ = std::move(still_there);
}

boost::json::object OffloadHistory::to_json() const {
  boost::json::object result;
  for (const auto& [port, changes] : ports_) {
    boost::json::array array;
    for (const Change& change : changes)
      array.emplace_back(boost::json::object{
          {"at", utc_text(change.at) + "Z"}, {"share", or_null(change.share)}, {"why", text_or_null(change.why)}});
    result[port] = std::move(array);
  }
  return result;
}

}  // namespace barewire::manager
