// SPDX-License-Identifier: Apache-2.0
// The directory is looked at now and then rather than watched: spans may come a little late, and one request takes
// those of many calls.
#include "device-manager/daemon/traces_side.h"

#include "core/trace.h"
#include "device-manager/daemon/dra_side.h"
#include "device-manager/metrics/told.h"

namespace barewire::daemon {
namespace {

constexpr std::chrono::milliseconds kEvery{1000};
constexpr std::chrono::seconds kPatience{10};  ///< with a collector that does not answer

}  // namespace

TracesSide::TracesSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop)
    : log_(std::move(log)),
      loop_(loop),
      timer_(loop.add_timer([this] { tick(); })),
      api_({.url = traces::parse_collector_url(options.traces_to).server}, kPatience),
      outbox_(api_, traces::parse_collector_url(options.traces_to).path, node.run_dir + trace::kBelow,
              node_name(options.dra.node), [this](const std::string& line) { log_->warn("{}", line); }),
      worker_("traces", [this](std::string_view failure) { log_->error("traces: {}", failure); }) {
  outbox_.open(node.run_dir);
  log_->info("sending traces to {}", options.traces_to);
  timer_.set(kEvery);
}

void TracesSide::tick() {
  worker_.post([this] {
    const auto wait = send();
    loop_.post([this, wait] { timer_.set(wait); });
  });
}

void TracesSide::tell_counts() {
  const auto counts = outbox_.take_counts();
  metrics::tell_traces({.sent = counts.sent, .dropped = counts.dropped});
}

std::chrono::milliseconds TracesSide::send() {
  try {
    const std::size_t sent = outbox_.send();
    tell_counts();
    if (sent != 0) log_->debug("the spans of {} calls are sent", sent);
    if (std::exchange(is_away_, false)) log_->info("the collector of traces takes them again");
    backoff_.succeeded();
    return kEvery;
  } catch (const std::exception& error) {
    tell_counts();
    // Once, as long as it lasts.
    if (!std::exchange(is_away_, true)) log_->warn("traces are not sent, trying again: {}", error.what());
    const auto now = std::chrono::steady_clock::now();
    backoff_.failed(now);
    return backoff_.left(now);
  }
}

}  // namespace barewire::daemon
