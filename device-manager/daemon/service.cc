// SPDX-License-Identifier: Apache-2.0
// Events say when, the interval is for what no event tells: processes in pods that end. Nothing here waits for a
// plugin: the loop must answer systemd's watchdog while an undo takes minutes.
#include "device-manager/daemon/service.h"

#include <systemd/sd-daemon.h>

#include <algorithm>

#include "core/error.h"
#include "core/trace.h"
#include "device-manager/plugin_call.h"

namespace barewire::daemon {
namespace {

using manager::WallTime;

/// Half of what systemd allows; nullopt when no watchdog waits. Source: sd_watchdog_enabled(3).
std::optional<std::chrono::milliseconds> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::milliseconds(std::max<std::uint64_t>(microseconds / 2000, 1));
}

void tell_well() {
  ::sd_notify(0, "WATCHDOG=1");
}

/// False when it could not be undone.
bool report(spdlog::logger& log, const manager::Reaped& reaped) {
  if (reaped.left) {
    log.info("left {}: {}", reaped.what, *reaped.left);
  } else if (reaped.error) {
    log.error("deleting {} failed, it stays for the next look: {}", reaped.what, *reaped.error);
  } else {
    log.info("deleted {}", reaped.what);
  }
  tell_well();  // each may take its time
  return !reaped.error;
}

std::string name_of(const state::Attachment& attachment) {
  return fmt::format("attachment {} ({}) of {}", attachment.text(), attachment.id.plugin, attachment.netns);
}

/// Whatever is ripe in `plan`; true when nothing failed and everything could be looked at. `stop` may be null.
bool reap_all(const Node& node, const Options& options, spdlog::logger& log, const manager::ReapPlan& plan,
              const StopSignals* stop) {
  bool fine = plan.unseen.empty();
  for (const manager::Unseen& unseen : plan.unseen) log.error("could not look at {}: {}", unseen.what, unseen.why);
  for (const manager::DeadAttachment& dead : plan.attachments) {
    // Between two, never within one: an undo that has begun is finished.
    if (stop != nullptr && stop->is_asked()) return fine;
    if (!dead.ripe) continue;
    if (options.dry_run)
      log.info("would delete {}", name_of(dead.attachment));
    else
      fine = report(log, manager::reap(node, dead.attachment)) && fine;
  }
  for (const state::Claim& claim : plan.claims) {
    if (options.dry_run)
      log.info("would release the claim on {}", claim.device);
    else
      fine = report(log, manager::reap(node, claim)) && fine;
  }
  return fine;
}

}  // namespace

Service::Service(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, const StopSignals& stop)
    : node_(node),
      options_(options),
      log_(std::move(log)),
      stop_(stop),
      loop_([this](std::string_view failure) { log_->error("{}", failure); }),
      watcher_(node.run_dir),
      settle_(loop_.add_timer([this] { ask_for_look(); })),
      next_look_(loop_.add_timer([this] { ask_for_look(); })),
      watchdog_(loop_.add_timer([this] { on_watchdog(); })),
      watch_(std::chrono::seconds(options.grace)),
      reaper_("reaper", [this](std::string_view failure) { log_->error("{}", failure); }) {
  // Only looks: kubelet and the API server are not to hear of it.
  if (options.dry_run) return;
  dra_.emplace(node, options, log_, loop_);
  if (!options.nri.empty()) nri_.emplace(node, options, log_, loop_);
  kubelet_.emplace(node, options, log_, loop_, [this] {
    dra_->on_change();
    if (nri_) nri_->on_change();
  });
  if (options.cluster.policies) cluster_.emplace(node, options, log_, loop_);
}

void Service::run() {
  log_->info("looking for dead attachments every {} s; grace {} s", options_.interval, options_.grace);
  loop_.watch(stop_.fd(), [this] { loop_.stop(); });
  for (const int fd : watcher_.descriptors()) loop_.watch(fd, [this] { on_change(); });
  if (!options_.metrics_listen.empty()) metrics_.emplace(node_, options_, log_, loop_);
  if (!options_.dry_run) set_up_traces();
  ask_for_look();
  on_watchdog();
  // After the first look was asked for: units that wait for the daemon wait for it to be watching, no longer.
  ::sd_notify(0, "READY=1\nSTATUS=Watching attachments");
  loop_.run();
  log_->info("stopping as asked");
  ::sd_notify(0, "STOPPING=1");
  metrics_.reset();
  traces_.reset();
  // The reaper before kubelet: it may be in an undo, which the loop does not take part in.
  reaper_.stop();
  if (kubelet_) kubelet_->stop();
  if (nri_) nri_->stop();
  if (dra_) dra_->stop();
  if (cluster_) cluster_->stop();
}

void Service::set_up_traces() {
  if (!options_.traces_to.empty()) {
    traces_.emplace(node_, options_, log_, loop_);
    return;
  }
  try {
    traces::close_outbox(node_.run_dir + trace::kBelow);
  } catch (const Error& error) {
    log_->warn("plugins may go on leaving spans: {}", error.what());
  }
}

/// A burst of changes is one: a look follows once it is quiet, or after a second of them.
void Service::on_change() {
  constexpr std::chrono::milliseconds kQuiet{150};
  constexpr std::chrono::milliseconds kLongestBurst{1000};
  watcher_.drain();
  const auto now = std::chrono::steady_clock::now();
  if (!settle_.is_set()) burst_began_ = now;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(burst_began_ + kLongestBurst - now);
  settle_.set(std::min(kQuiet, left));
  if (kubelet_) kubelet_->on_change();
  if (cluster_) cluster_->on_change();
  if (metrics_) metrics_->on_change();
}

/// While the reaper is at work, its progress tells that the daemon is well.
void Service::on_watchdog() {
  const auto interval = watchdog_interval();
  if (!interval) return;
  // A reaper that hangs tells nothing, and systemd restarts the daemon.
  if (!looking_) tell_well();
  watchdog_.set(*interval);
}

void Service::ask_for_look() {
  // A change that comes while the reaper looks may be one it has passed by already.
  look_again_ = looking_;
  if (looking_) return;
  looking_ = true;
  watcher_.watch_directories();  // one made since is seen from now on, what was in it by this look
  reaper_.post([this] {
    look();
    tell_well();
    loop_.post([this, until_next = until_next_look()] { on_looked(until_next); });
  });
}

void Service::on_looked(std::chrono::milliseconds until_next) {
  looking_ = false;
  if (look_again_) return ask_for_look();
  next_look_.set(until_next);
}

void Service::look() {
  try {
    // No age by the wall clock: the grace, which no one sets, is the guard.
    reap_due(manager::plan_reaping(node_, std::chrono::system_clock::now(), std::chrono::seconds(0)));
  } catch (const Error& error) {
    log_->error("looking for dead attachments failed: {}", manager::describe(error));
  } catch (const std::exception& error) {
    log_->error("looking for dead attachments failed: {}", error.what());
  }
}

void Service::reap_due(const manager::ReapPlan& plan) {
  const manager::ReapPlan due = watch_.due(plan, std::chrono::steady_clock::now());
  reap_all(node_, options_, *log_, due, &stop_);
  log_->debug("{} dead attachments seen, {} due", plan.attachments.size(), due.attachments.size());
}

std::chrono::milliseconds Service::until_next_look() const {
  std::chrono::milliseconds wait = std::chrono::seconds(options_.interval);
  if (const auto next = watch_.next()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*next - std::chrono::steady_clock::now());
    // What was due and could not be undone waits for the interval.
    if (left.count() > 0) wait = std::min(wait, left + std::chrono::milliseconds(10));
  }
  return wait;
}

bool look_once(const Node& node, const Options& options, spdlog::logger& log) {
  const auto plan = manager::plan_reaping(node, std::chrono::system_clock::now(), std::chrono::seconds(options.grace));
  return reap_all(node, options, log, plan, nullptr);
}

}  // namespace barewire::daemon
