// SPDX-License-Identifier: Apache-2.0
// Each setting is restored by itself, and a failure of one does not keep the others from it: the next pod gets this VF.
#include "core/vf/restore.h"

#include <fmt/ranges.h>

#include "core/kernel/pci.h"
#include "core/log.h"
#include "core/rollback.h"
#include "core/vf/inventory.h"
#include "core/vf/mac.h"

namespace barewire::vf {

namespace {

using kernel::Link;

/// One undoing of one VF: its steps in their order.
class Restoration {
 public:
  Restoration(Host& host, const VfRecord& record, const PodNetns& pod, const std::string& pod_name,
              const Habits& habits)
      : host_(host), record_(record), pod_(pod), pod_name_(pod_name), habits_(habits) {}

  void run() {
    const auto function = kernel::find_pci_function(host_.sysfs, record_.device);
    const auto place = kernel::find_vf_place(host_.sysfs, record_.device);
    if (!function || !place || place->pf_address != record_.pf) return;  // the VF is gone, and its settings with it
    Collector undo;
    undo.run("finding the netdev of VF " + record_.device, [&] { find_netdev(function->driver); });
    // Not before the search, which may wait for seconds for a netns to end: no other ADD of this PF waits that long.
    const state::FileLock lock = lock_pf(host_, record_.pf);
    undo.run("finding PF " + record_.pf, [&] { find_pf(); });
    if (kernel::is_userspace_driver(function->driver) && record_.userspace && habits_.reset_after_vfio)
      reset_function();
    undo.run("restoring the MAC of VF " + record_.device, [&] { restore_address(); });
    undo.run("moving VF " + record_.device + " home", [&] { bring_home(); });
    undo.run("cleaning VF " + record_.device, [&] { clean(); });
    undo.run("restoring the settings of VF " + record_.device, [&] { restore_settings(); });
    undo.run("settling VF " + record_.device, [&] { settle(); });
    undo.finish();
  }

 private:
  void find_netdev(const std::string& driver) {
    restore_driver(host_, record_.device, record_.driver);  // also when something died while it was binding it
    if (!record_.netdev) return;
    const Identity identity = identity_of(record_, pod_name_);
    located_ = await_netdev(host_, identity, pod_, kNetnsPatience);
    if (!located_) bind_again(kernel::is_userspace_driver(driver) ? record_.driver : driver);
  }

  void bind_again(const std::string& driver) {
    if (driver.empty()) return;
    log_warning("the netdev of VF {} is in no netns that can be reached; binding {} again", record_.device, driver);
    Link link = rebind(host_, record_.device, driver);
    located_ = Located{kernel::NetNs::current(), kernel::NlSocket(), std::move(link), true};
  }

  void find_pf() {
    pf_ = find_pf_port(host_, record_.pf);
    // Without its PF nothing can be set back. The record stays, so that a later DEL or GC can.
    if (!pf_ && record_.admin)
      throw Error(
          Error::Code::device,
          fmt::format("restoring VF {} failed: its PF {} has no netdev on the host", record_.device, record_.pf),
          "bring the PF's netdev back into the host's netns, or bind its driver");
  }

  /// A user-space program may have left anything in the function's registers. Source: sysfs-bus-pci, "reset".
  void reset_function() {
    const std::string path = fmt::format("bus/pci/devices/{}/reset", record_.device);
    try {
      if (host_.sysfs.exists(path)) host_.sysfs.write(path, "1");
    } catch (const Error& error) {
      log_warning("resetting VF {} failed, ignoring: {}", record_.device, error.what());
    }
  }

  /// While the netdev is still up where it can be, since some drivers ask the PF for their address as they are closed.
  void restore_address() {
    if (!pf_) return;
    restore_mac(host_, *pf_, record_, located_ ? &located_->socket : nullptr, located_ ? &located_->link : nullptr,
                habits_);
  }

  void bring_home() {
    if (located_) home_ = move_home(host_, *located_, *record_.netdev);
  }

  void clean() {
    if (!home_) return;
    const auto left = clean_netdev(host_, *located_, *home_, *record_.netdev);
    if (left.empty()) return;
    log_warning("VF {} has something of the pod on it ({}); binding its driver afresh", record_.device,
                fmt::join(left, "; "));
    bind_afresh();
    for (const std::string& clause : clean_netdev(host_, *located_, *home_, *record_.netdev))
      log_error("VF {}: {}", record_.device, clause);
  }

  void bind_afresh() {
    // A new netdev with another index, under whatever name udev or the kernel gives it.
    Located fresh{kernel::NetNs::current(), kernel::NlSocket(), rebind(host_, record_.device, record_.driver), true};
    home_ = move_home(host_, fresh, *record_.netdev);
  }

  void restore_settings() {
    if (!pf_ || !record_.admin) return;
    const auto changed = restore_admin(host_, *pf_, *record_.admin, habits_);
    vlan_changed_ = changed.vlan.has_value();
  }

  void settle() {
    if (!home_) return;
    if (record_.netdev->mac) {
      settle_mac(*record_.netdev->mac);
      settle_whose_mac(*record_.netdev->mac);
    }
    const auto now = kernel::find_link(host_.socket, home_->index);
    // Down, it takes the new VLAN when it is opened the next time.
    if (vlan_changed_ && habits_.reopen_after_vlan && now && now->is_up()) kernel::set_down(host_.socket, *home_);
    if (record_.netdev->up) with_retries(habits_, [&] { kernel::set_up(host_.socket, *home_); });
  }

  void settle_mac(const MacAddress& mac) {
    const auto now = kernel::find_link(host_.socket, home_->index).value_or(*home_);
    // igbvf keeps a former address as the permanent one until it is opened the next time.
    const bool stale = record_.netdev->perm_mac && now.perm_mac != record_.netdev->perm_mac;
    if (now.mac == mac && !(stale && habits_.uses(MacAction::reopen))) return;
    if (now.mac == mac) return reopen_once();
    if (make_effective(host_.socket, home_->index, mac, habits_)) return;
    if (habits_.uses(MacAction::rebind)) return rebind_at_home(mac);
    log_error("VF {} keeps the address {}: its driver does not take {} back", record_.device, now.hardware_address,
              mac.text());
  }

  /// Whether the VF gave itself its address or has it from the PF, for the next record of it asks for that. A netdev
  /// that set its address once is told from one that never did only by being made anew.
  void settle_whose_mac(const MacAddress& mac) {
    const bool is_own = mac_is_own(host_.sysfs, home_->name);
    if (is_own == record_.netdev->mac_is_own) return;
    const auto now = kernel::find_link(host_.socket, home_->index);
    if (!now || now->mac != mac) return;
    if (!is_own) return kernel::set_mac(host_.socket, *home_, mac);  // the driver is not asked: it has this address
    const bool pinned = record_.admin && record_.admin->mac == mac;
    if (pinned && habits_.uses(MacAction::rebind)) rebind_at_home(mac);
  }

  void reopen_once() {
    kernel::set_up(host_.socket, *home_);
    kernel::set_down(host_.socket, *home_);
  }

  void rebind_at_home(const MacAddress& mac) {
    bind_afresh();
    if (!make_effective(host_.socket, home_->index, mac, habits_))
      log_error("VF {} has another address than before, {}: its driver does not take {} back", record_.device,
                home_->hardware_address, mac.text());
  }

  Host& host_;
  const VfRecord& record_;
  const PodNetns& pod_;
  const std::string& pod_name_;
  const Habits& habits_;
  std::optional<Located> located_;
  std::optional<PfPort> pf_;
  std::optional<Link> home_;
  bool vlan_changed_ = false;
};

}  // namespace

void restore_vf(Host& host, const VfRecord& record, const PodNetns& pod, const std::string& pod_name,
                const Habits& habits) {
  Restoration(host, record, pod, pod_name, habits).run();
}

void restore_driver(Host& host, const std::string& device, const std::string& driver) {
  const auto function = kernel::find_pci_function(host.sysfs, device);
  if (!function || driver.empty() || function->driver == driver) return;
  const bool is_same_sort = kernel::is_userspace_driver(function->driver) == kernel::is_userspace_driver(driver);
  // Another driver of the same sort was an administrator's choice meanwhile.
  if (is_same_sort && !function->driver.empty()) return;
  // Unbinding would wait for that process, inside the kernel, for as long as it lives.
  if (const auto why = find_vfio_user(*function, ForeignState().vfio_dir))
    throw Error(Error::Code::try_again, fmt::format("giving {} back to driver {} failed: {}", device, driver, *why),
                "end the program that uses it");
  log_warning("{} was left on {}; binding {} again", device, function->driver.empty() ? "no driver" : function->driver,
              driver);
  kernel::bind_driver(host.sysfs, device, driver);
}

std::vector<std::string> clean_netdev(Host& host, const Located& was, const Link& home, const NetdevState& original) {
  std::vector<std::string> left = remove_stacked_links(host, was.netns, home);
  const DeviceState wanted = original.device ? *original.device : without_traces(capture_device_state(host, home));
  for (std::string& clause : restore_device_state(host, home, wanted)) left.push_back(std::move(clause));
  return left;
}

kernel::Link rebind(Host& host, const std::string& device, const std::string& driver) {
  // Some drivers make their netdev only after bind has returned, when their PF has answered (iavf).
  constexpr std::chrono::seconds kProbeTime{10};
  kernel::unbind_driver(host.sysfs, device);
  kernel::bind_driver(host.sysfs, device, driver);
  Identity identity;
  identity.parent_device = device;
  const auto located = await_netdev(host, identity, PodNetns{}, kProbeTime);
  if (located && located->on_host) return located->link;
  throw Error(Error::Code::device, fmt::format("binding {} to VF {} failed: no netdev has appeared", driver, device),
              "`dmesg` tells what the driver says");
}

}  // namespace barewire::vf
