// SPDX-License-Identifier: Apache-2.0
// One state of the process: who tells and who prints know nothing of each other.
#include "device-manager/metrics/told.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

namespace barewire::metrics {
namespace {

struct Told {
  std::mutex mutex;
  std::map<std::string, std::map<std::string, std::uint64_t>> unhealthy;  ///< by resource and way
  std::optional<TraceCount> traces;
};

Told& told() {
  static Told state;
  return state;
}

void write_traces(Exposition& page, const TraceCount& traces) {
  page.family("barewire_traces_sent_total", Exposition::Type::counter, "Calls whose spans the collector has taken.");
  page.sample({}, traces.sent);
  page.family("barewire_traces_dropped_total", Exposition::Type::counter,
              "Calls whose spans were given up: refused, damaged, or waiting for too long.");
  page.sample({}, traces.dropped);
}

}  // namespace

void tell_unhealthy(const std::string& resource, const std::string& way, std::uint64_t devices) {
  const std::lock_guard lock(told().mutex);
  told().unhealthy[resource][way] = devices;
}

void tell_traces(const TraceCount& more) {
  const std::lock_guard lock(told().mutex);
  const TraceCount before = told().traces.value_or(TraceCount{});
  told().traces = TraceCount{before.sent + more.sent, before.dropped + more.dropped};
}

void write_told(Exposition& page) {
  const std::lock_guard lock(told().mutex);
  page.family("barewire_pool_devices_unhealthy", Exposition::Type::gauge,
              "Devices of the pool that kubelet was told are unhealthy.");
  for (const auto& [resource, ways] : told().unhealthy) {
    // A pool that is offered by both ways has the same devices in each.
    const auto most =
        std::max_element(ways.begin(), ways.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    page.sample({{"resource", resource}}, most->second);
  }
  if (told().traces) write_traces(page, *told().traces);
}

}  // namespace barewire::metrics
