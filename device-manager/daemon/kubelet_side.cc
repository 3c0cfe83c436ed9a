// SPDX-License-Identifier: Apache-2.0
/// When kubelet's side of the daemon looks at the node, and when at kubelet.
/// Everything that asks the node or kubelet runs on one worker thread, and comes back to the loop by post(): a kubelet
/// that hangs does not hold up the reaper.
#include "device-manager/daemon/kubelet_side.h"

#include "device-manager/dra/driver.h"

namespace barewire::daemon {
namespace {

constexpr std::chrono::milliseconds kQuiet{150};  ///< changes come in bursts; kubelet hears within a second
constexpr std::chrono::milliseconds kSoon{1000};  ///< kubelet names a pod's devices once it has our answer

kubelet::Settings settings_of(const Options& options) {
  kubelet::Settings settings = options.kubelet;
  // Never longer than the reaper's: a promise that outlives its attachment would keep the device from the next pod.
  settings.grace = std::min<std::chrono::milliseconds>(settings.grace, std::chrono::seconds(options.grace));
  return settings;
}

}  // namespace

KubeletSide::KubeletSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop,
                         std::function<void()> also)
    : node_(node),
      settings_(settings_of(options)),
      nri_(options.nri),
      interval_(std::chrono::seconds(options.interval)),
      loop_(loop),
      also_(std::move(also)),
      settle_(loop.add_timer([this] { update(); })),
      reconcile_(loop.add_timer([this] { reconcile(); })),
      worker_("kubelet", [log](std::string_view failure) { log->error("serving kubelet: {}", failure); }) {
  plugins_ = std::make_unique<kubelet::DevicePlugins>(
      node_, settings_, log, [this](std::function<void()> work) { worker_.post(std::move(work)); },
      [this] { loop_.post([this] { reconcile_.set(kSoon); }); },
      [this] {
        loop_.post([this] {
          if (!settle_.is_set()) settle_.set(kQuiet);
        });
      });
  for (const int fd : events_.descriptors()) {
    loop_.watch(fd, [this] {
      if (events_.drain()) on_change();
    });
  }
  update();
  reconcile_.set(kSoon);
}

void KubeletSide::on_change() {
  if (!settle_.is_set()) settle_.set(kQuiet);
  also_();
}

/// Pools may come to be declared, and a kubelet to be there, at any time.
std::vector<std::string> KubeletSide::directories() const {
  std::vector<std::string> all = {settings_.directory,
                                  settings_.device_plugins(),
                                  settings_.registry(),
                                  "/etc/barewire",
                                  "/etc/pcidp",
                                  node_.cni_state_dir + "/barewire",
                                  node_.cni_state_dir + state::Allocations::kBelow,
                                  node_.cni_state_dir + state::ClaimRecords::kBelow,
                                  settings_.directory + "/pod-resources",
                                  settings_.directory + "/plugins"};
  if (const auto slash = nri_.rfind('/'); slash != std::string::npos) all.push_back(nri_.substr(0, slash));
  return all;
}

void KubeletSide::update() {
  // One at a time; what changed meanwhile is looked at afterwards.
  if (updating_) return settle_.set(kQuiet);
  updating_ = true;
  events_.watch(directories());
  worker_.post([this] {
    bool served = false;
    try {
      served = plugins_->update();
    } catch (...) {
      loop_.post([this] { on_updated(false); });
      // To the worker's own report of failures; the loop must hear all the same, or no update would come again.
      throw;
    }
    loop_.post([this, served] { on_updated(served); });
  });
}

/// A kubelet that has just made its socket may not listen yet.
void KubeletSide::on_updated(bool served) {
  updating_ = false;
  if (!served && !settle_.is_set()) settle_.set(kSoon);
}

void KubeletSide::reconcile() {
  worker_.post([this] {
    const bool again = plugins_->reconcile();
    const auto next =
        again ? std::min<std::chrono::milliseconds>(interval_, std::max(kSoon, settings_.grace / 4)) : interval_;
    loop_.post([this, next] { reconcile_.set(next); });
  });
  // Also for what raises no event: a kubelet that did not listen yet, a driver's attribute.
  update();
}

void KubeletSide::stop() {
  // The worker first: what it does uses the plugins.
  worker_.stop();
  plugins_.reset();
}

}  // namespace barewire::daemon
