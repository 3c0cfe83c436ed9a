// SPDX-License-Identifier: Apache-2.0
/// Questions to the flight recorder (core/journal.h): what happened to a pod or VF, why its last call failed, who had a
/// VF at a time. Pure logic on the events that were read; cli/history.cc asks and shows.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/journal.h"

namespace barewire::manager {

/// Whether `event` is of `subject`: a pod as NAMESPACE/NAME or NAME, a VF or PF by PCI address, or the beginning (12
/// characters at least) of a container ID.
bool is_about(const journal::Event& event, std::string_view subject);
/// Those of `subject` (empty: all) since `since`, in order.
std::vector<journal::Event> select(const std::vector<journal::Event>& events, std::string_view subject,
                                   std::optional<journal::Time> since);

/// "90s", "30m", "2h", "7d" before `now`, or a time as journal::parse_time reads it; nullopt for other text.
std::optional<journal::Time> parse_moment(std::string_view text, journal::Time now);

/// The last failure among `events`, and the last ADD of the same plugin and network that succeeded after it, if any.
struct Failure {
  journal::Event event;
  std::optional<journal::Event> overcome;
};
std::optional<Failure> last_failure(const std::vector<journal::Event>& events);

/// Who had the VF at that time: the attachment, with the event of its ADD.
struct Holding {
  std::optional<journal::Event> holder;  ///< absent: nobody, as far as the journal knows
  bool is_known = false;                 ///< the journal goes back to that time
};
Holding holder_at(const std::vector<journal::Event>& events, std::string_view device, journal::Time time);

/// Keys as in the journal's lines; docs/observability.md.
boost::json::object to_json(const journal::Event& event);

}  // namespace barewire::manager
