// SPDX-License-Identifier: Apache-2.0
// Nothing here takes part in the daemon's work: metrics are read from the node as `barewire metrics` reads them.
#include "device-manager/daemon/metrics_side.h"

#include "device-manager/metrics/collect.h"

namespace barewire::daemon {
namespace {

/// Below what systemd's watchdog allows.
constexpr std::chrono::seconds kPatience{60};

}  // namespace

MetricsSide::MetricsSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop)
    : node_(node),
      pools_(options.kubelet.pools),
      log_(std::move(log)),
      loop_(loop),
      server_(parse_listen_address(options.metrics_listen),
              {.metrics = [this] { return page(); }, .is_well = [this] { return is_loop_alive(); }}) {
  log_->info("serving /metrics and /healthz on {}, port {}", options.metrics_listen, server_.port());
}

std::string MetricsSide::page() {
  std::vector<std::string> problems;
  std::string text = metrics::collect(node_, pools_, problems);
  std::set<std::string> now(problems.begin(), problems.end());
  for (const std::string& problem : now)
    if (!said_.contains(problem)) log_->warn("metrics are not whole: {}", problem);
  said_ = std::move(now);
  return text;
}

bool MetricsSide::is_loop_alive() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  // One question at a time: a loop that hangs would be handed more and more of them.
  if (asked_) return now - *asked_ < kPatience;
  asked_ = now;
  loop_.post([this] {
    const std::lock_guard answered(mutex_);
    asked_.reset();
  });
  // Nothing is known against it yet.
  return true;
}

}  // namespace barewire::daemon
