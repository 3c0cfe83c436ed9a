// SPDX-License-Identifier: Apache-2.0
// Nothing here takes part in the daemon's work: metrics are read from the node as `barewire metrics` reads them.
#include "device-manager/daemon/metrics_side.h"

#include "core/utf8.h"
#include "device-manager/metrics/collect.h"
#include "device-manager/metrics/exposition.h"

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
      metrics_([this] { return metrics(); }),
      page_(node, pools_, log_, loop),
      worker_("metrics", [this](std::string_view failure) { log_->error("metrics: {}", failure); }),
      server_(parse_listen_address(options.metrics_listen), routes()) {
  log_->info("serving /, /metrics and /healthz on {}, port {}", options.metrics_listen, server_.port());
}

std::vector<Route> MetricsSide::routes() {
  std::vector<Route> routes = page_.routes();
  routes.push_back({.path = "/metrics", .later = [this](const std::string&, const Route::Reply& reply) {
                      worker_.post([this, reply] { reply(answer()); });
                    }});
  routes.push_back({.path = "/healthz", .now = [this] {
                      return is_loop_alive() ? text_answer(200, "ok")
                                             : text_answer(503, "the daemon's loop does not answer");
                    }});
  return routes;
}

Answer MetricsSide::answer() {
  try {
    return {200, metrics::Exposition::kContentType, metrics_.get()};
  } catch (const std::exception& error) {
    return text_answer(500, escape_line(error.what()));
  }
}

std::string MetricsSide::metrics() {
  std::vector<std::string> problems;
  std::string text = metrics::collect_in_daemon(node_, pools_, problems);
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
