// SPDX-License-Identifier: Apache-2.0
/// Whether a PF counts as without carrier: one that flaps would have its VFs taken from pods and given back all the
/// time. Pure logic.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace barewire::inventory {

/// Of one thread. The clock is the caller's; what it holds is lost with the daemon, which then begins with what it
/// sees.
class CarrierWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kLost{1000};  ///< for so long it must have been gone
  static constexpr std::chrono::milliseconds kBack{5000};  ///< for so long it must have been there again

  /// What `pf` has at `now`; true when it counts as lost. The first time it counts as it is. A change counts once it
  /// has lasted; one that is undone before that has never been.
  bool is_lost(const std::string& pf, bool has_carrier, Time now) {
    State& state = states_.try_emplace(pf, State{!has_carrier, std::nullopt}).first->second;
    if (state.lost == !has_carrier) {
      state.changed.reset();
      return state.lost;
    }
    if (!state.changed) state.changed = now;
    if (now - *state.changed < (has_carrier ? kBack : kLost)) return state.lost;
    state.lost = !has_carrier;
    state.changed.reset();
    return state.lost;
  }
  /// Something is to be looked at again before long. The kernel tells of changes, and not of their lasting: without
  /// this nobody would ask again.
  bool is_waiting() const {
    for (const auto& [pf, state] : states_)
      if (state.changed) return true;
    return false;
  }

 private:
  /// One for every PF that was ever seen: a node has few, and what is kept of one that is gone does no harm.
  struct State {
    bool lost = false;
    std::optional<Time> changed{};  ///< since when it differs from what it counts as
  };
  std::map<std::string, State> states_;
};

}  // namespace barewire::inventory
