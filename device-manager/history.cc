// SPDX-License-Identifier: Apache-2.0
// Events are taken in the order they were written: the wall clock may have been set in between.
#include "device-manager/history.h"

#include <boost/json/parse.hpp>
#include <charconv>
#include <map>

namespace barewire::manager {
namespace {

using journal::Event;
using journal::Kind;

constexpr std::size_t kShortestId = 12;  ///< what crictl and docker print of a container's ID

std::string key_of(const Event& event) {
  return event.network + "/" + event.container + "/" + event.ifname + "/" + event.plugin;
}

std::optional<std::chrono::microseconds> parse_span(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // So many days still fit into 64 bits of microseconds.
  constexpr std::int64_t kMost = 100'000'000;
  if (error != std::errc() || number < 0 || number > kMost || end + 1 != text.data() + text.size()) return std::nullopt;
  switch (*end) {
    case 's':
      return std::chrono::seconds(number);
    case 'm':
      return std::chrono::minutes(number);
    case 'h':
      return std::chrono::hours(number);
    case 'd':
      return std::chrono::hours(24 * number);
    default:
      return std::nullopt;
  }
}

/// Attachments as they come and go, one event after another.
class Holders {
 public:
  void apply(const Event& event) {
    // What a boot had went with it: records are below /run.
    if (!boot_.empty() && event.boot != boot_) by_key_.clear();
    boot_ = event.boot;
    if (event.kind == Kind::attach && !event.device.empty()) by_key_[key_of(event)] = event;
    if (event.kind == Kind::detach || event.kind == Kind::reap) by_key_.erase(key_of(event));
  }
  /// Of a chain the first: the plugin that brought the device comes before those that work on it.
  std::optional<Event> of(std::string_view device) const {
    std::optional<Event> first;
    for (const auto& [key, event] : by_key_)
      if (event.device == device && (!first || event.up < first->up)) first = event;
    return first;
  }

 private:
  std::map<std::string, Event> by_key_;
  std::string boot_;
};

}  // namespace

bool is_about(const Event& event, std::string_view subject) {
  if (subject.empty()) return false;
  if (event.device == subject || event.pf == subject) return true;
  if (subject.size() >= kShortestId && event.container.starts_with(subject)) return true;
  const auto slash = subject.find('/');
  // A name alone is that of every namespace.
  if (slash == std::string_view::npos) return event.pod == subject;
  return event.name_space == subject.substr(0, slash) && event.pod == subject.substr(slash + 1);
}

std::vector<Event> select(const std::vector<Event>& events, std::string_view subject,
                          std::optional<journal::Time> since) {
  std::vector<Event> chosen;
  for (const Event& event : events)
    if ((subject.empty() || is_about(event, subject)) && (!since || event.time >= *since)) chosen.push_back(event);
  return chosen;
}

std::optional<journal::Time> parse_moment(std::string_view text, journal::Time now) {
  if (const auto span = parse_span(text)) return now - *span;
  return journal::parse_time(text);
}

std::optional<Failure> last_failure(const std::vector<Event>& events) {
  std::optional<Failure> last;
  for (const Event& event : events) {
    if (event.kind == Kind::refusal || event.kind == Kind::drift)
      last = Failure{event, std::nullopt};
    else if (last && event.kind == Kind::attach && event.network == last->event.network &&
             event.plugin == last->event.plugin)
      last->overcome = event;
  }
  return last;
}

Holding holder_at(const std::vector<Event>& events, std::string_view device, journal::Time time) {
  Holding holding;
  Holders holders;
  for (const Event& event : events) {
    // And not the end: events that follow may be earlier where the clock was set back.
    if (event.time > time) continue;
    holding.is_known = true;
    holders.apply(event);
  }
  holding.holder = holders.of(device);
  return holding;
}

boost::json::object to_json(const Event& event) {
  // The line itself is the JSON that is documented; it cannot have grown another form this way.
  const std::string line = journal::to_line(event);
  return boost::json::parse(line.substr(line.find('{'))).get_object();
}

}  // namespace barewire::manager
