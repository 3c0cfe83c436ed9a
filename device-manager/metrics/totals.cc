// SPDX-License-Identifier: Apache-2.0
// Reading on and keeping how far are one step under a lock: an event that two readers counted would be there twice.
#include "device-manager/metrics/totals.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/fd.h"
#include "core/json_view.h"
#include "core/state/lock.h"

namespace barewire::metrics {

namespace json = boost::json;

namespace {

constexpr int kFormat = 1;
constexpr std::int64_t kMost = std::int64_t{1} << 62;

json::object call_json(const CallKey& key, const Durations& durations) {
  return {{"plugin", std::get<0>(key)},
          {"command", std::get<1>(key)},
          {"code", std::get<2>(key)},
          {"counts", json::array(durations.counts.begin(), durations.counts.end())},
          {"sumMicroseconds", static_cast<std::int64_t>(durations.sum * 1e6)}};
}

std::uint64_t count_of(const JsonView& view) {
  return static_cast<std::uint64_t>(view.integer(0, kMost, "a count"));
}

Durations parse_durations(const JsonView& view) {
  Durations durations;
  const auto& counts = view.at("counts").value().as_array();
  // Of a version with other bounds, whose counts fit into no bucket of ours.
  if (counts.size() != durations.counts.size()) throw Error(Error::Code::decode, "other buckets");
  std::transform(counts.begin(), counts.end(), durations.counts.begin(),
                 [](const json::value& count) { return count.to_number<std::uint64_t>(); });
  durations.sum = static_cast<double>(view.at("sumMicroseconds").integer(0, kMost, "microseconds")) / 1e6;
  return durations;
}

void parse_calls(const JsonView& list, std::map<CallKey, Durations>& calls) {
  for (const json::value& each : list.value().as_array()) {
    const JsonView call(each, "totals key");
    calls[{call.at("plugin").string(), call.at("command").string(), call.at("code").string()}] = parse_durations(call);
  }
}

Totals parse(std::string_view text) {
  const json::value document = parse_json(text, "the totals");
  const JsonView view(document, "totals key");
  view.at("format").integer(kFormat, kFormat, "this format");
  Totals totals;
  totals.position = {count_of(view.at("inode")), count_of(view.at("offset"))};
  totals.damaged_lines = count_of(view.at("damagedLines"));
  for (const auto& each : view.at("events").value().as_object())
    totals.events[std::string(each.key())] = each.value().to_number<std::uint64_t>();
  parse_calls(view.at("calls"), totals.calls);
  // Earlier versions have counted none.
  if (const auto rpcs = view.find("rpcs")) parse_calls(*rpcs, totals.rpcs);
  return totals;
}

Durations& durations_of(std::map<CallKey, Durations>& calls, const journal::Event& event) {
  CallKey key{event.plugin, event.command, std::to_string(event.code)};
  if (!calls.contains(key) && calls.size() >= kMostCallKeys) key = {"other", "other", "other"};
  return calls[key];
}

}  // namespace

const std::vector<double>& duration_bounds() {
  static const std::vector<double> kBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  return kBounds;
}

void add(Totals& totals, const journal::History& history) {
  totals.damaged_lines += history.damaged;
  for (const journal::Event& event : history.events) {
    ++totals.events[std::string(name_of(event.kind))];
    // What the daemon and administrators do is no call: it would change what calls are seen to take.
    const bool is_rpc = event.kind == journal::Kind::rpc;
    if ((event.cause != "runtime" && !is_rpc) || !event.took) continue;
    Durations& durations = durations_of(is_rpc ? totals.rpcs : totals.calls, event);
    const double seconds = static_cast<double>(event.took->count()) / 1e6;
    const auto& bounds = duration_bounds();
    // A duration that is a bound belongs below it: "le" is less or equal.
    const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin();
    ++durations.counts[static_cast<std::size_t>(bucket)];
    durations.sum += seconds;
  }
}

std::string to_text(const Totals& totals) {
  json::object events;
  for (const auto& [kind, count] : totals.events) events[kind] = count;
  json::array calls, rpcs;
  for (const auto& [key, durations] : totals.calls) calls.emplace_back(call_json(key, durations));
  for (const auto& [key, durations] : totals.rpcs) rpcs.emplace_back(call_json(key, durations));
  return json::serialize(json::object{{"format", kFormat},
                                      {"inode", totals.position.inode},
                                      {"offset", totals.position.offset},
                                      {"damagedLines", totals.damaged_lines},
                                      {"events", std::move(events)},
                                      {"calls", std::move(calls)},
                                      {"rpcs", std::move(rpcs)}}) +
         "\n";
}

Totals parse_totals(std::string_view text) {
  try {
    return parse(text);
  } catch (const std::exception&) {  // another version's, or damaged: a counter that begins anew is one that Prometheus
                                     // knows
    return {};
  }
}

namespace {

/// As they were counted last, without the lock: the file is replaced whole.
Totals kept_totals(const std::string& path) {
  try {
    return parse_totals(read_file(path).value_or(""));
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

Totals update_totals(const std::string& directory, std::vector<std::string>& problems) {
  Totals totals;
  struct stat status {};
  // Looked for and not made: without a journal there is nothing to keep.
  if (::stat(directory.c_str(), &status) < 0) return totals;
  const std::string path = directory + "/totals.json";
  try {
    const auto lock =
        state::FileLock::acquire(directory + "/totals.lock", "the totals of the journal", std::chrono::seconds(2));
    const std::string kept = read_file(path).value_or("");
    totals = parse_totals(kept);
    const journal::History history = journal::read_on(directory, totals.position);
    add(totals, history);
    problems.insert(problems.end(), history.problems.begin(), history.problems.end());
    if (const std::string text = to_text(totals); text != kept)
      write_file_atomically(path, text, Durability::until_reboot, 0600);
  } catch (const Error& error) {
    problems.emplace_back(error.what());
    // What was counted before is still true; a counter that goes back to 0 reads as a restart.
    return kept_totals(path);
  }
  return totals;
}

}  // namespace barewire::metrics
