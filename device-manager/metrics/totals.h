// SPDX-License-Identifier: Apache-2.0
/// What the flight recorder has told so far, added up: counters must not go down when the journal's files are turned
/// over. Kept in a file beside them, so that the daemon and `barewire metrics` count on from one another.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "core/journal.h"

namespace barewire::metrics {

/// Upper bounds of the buckets of a call's duration, in seconds; one more bucket has the rest.
const std::vector<double>& duration_bounds();

/// A histogram whose buckets are counted each by itself: added up only where it is printed.
struct Durations {
  std::vector<std::uint64_t> counts = std::vector<std::uint64_t>(duration_bounds().size() + 1);
  double sum = 0;  ///< seconds
};

/// Plugin, command, code ("0": it succeeded).
using CallKey = std::tuple<std::string, std::string, std::string>;

/// All that was counted since the file began, up to `position` of the journal.
struct Totals {
  journal::Position position{};
  std::uint64_t damaged_lines = 0;
  std::map<std::string, std::uint64_t> events{};  ///< by kind
  std::map<CallKey, Durations> calls{};           ///< those of a runtime
  std::map<CallKey, Durations> rpcs{};            ///< those of kubelet, without a plugin
};

/// Plugins hand on the codes of others; what comes after so many keys is counted under the code "other".
inline constexpr std::size_t kMostCallKeys = 500;
/// Counts `history` in, once more at each call: its reading must have moved totals.position.
void add(Totals& totals, const journal::History& history);

/// A line of JSON, for parse_totals of the same version.
std::string to_text(const Totals& totals);
/// Empty totals for text that is not of to_text: they begin anew.
Totals parse_totals(std::string_view text);

/// Those of the journal in `directory` until now. What was read is kept; where it cannot be, it is read again next
/// time. `problems`: what could not be read or kept. Empty where there is no journal.
Totals update_totals(const std::string& directory, std::vector<std::string>& problems);

}  // namespace barewire::metrics
