// SPDX-License-Identifier: Apache-2.0
/// Promises under the device's lock.
/// The same lock as ADD takes: between the look at a device and its record nobody else can get it.
#include "device-manager/inventory/allocate.h"

#include "core/state/lock_names.h"
#include "core/vf/inventory.h"

namespace barewire::inventory {
namespace {

/// VFs are claimed under their PF's lock; core/vf/settings.h takes it with the runtime's patience, not the daemon's.
state::FileLock lock_device(const vf::Host& host, const std::string& device, std::chrono::milliseconds patience) {
  // Which of the PF's VFs it is does not matter here.
  const auto pf = host.sysfs.link_name(fmt::format("bus/pci/devices/{}/physfn", device));
  return host.store.lock(state::lock_name::device(pf.value_or(device)), pf ? "PF " + *pf : device, patience);
}

bool is_same_promiser(const state::Allocation& a, const state::Allocation& b) {
  // The reason an administrator gave is no identity: unreserve does not repeat it.
  return a.by == b.by && (a.owner == b.owner || a.by == state::Allocation::kAdmin);
}

[[noreturn]] void refuse(const std::string& device, const std::string& why) {
  throw Error(Error::Code::held, fmt::format("device {} is taken: {}", device, why),
              "`barewire show DEVICE` tells who has it");
}

/// Whoever has it in a netns, or uses it without any record.
void require_unused(vf::Host& host, const std::string& device) {
  if (const auto holder = host.store.holding(device))
    refuse(device, fmt::format("attachment {} holds it", holder->text()));
  const auto target = vf::find_vf(host.sysfs, host.socket, device);
  if (!target) return;
  vf::ForeignState foreign;
  foreign.peer_state_dir = host.peer_state_dir;
  foreign.allocation_dir = host.allocations.directory();
  // What is bound to no driver, or promised, is no reason here: the caller judges the first, the record the second.
  const vf::UseFinding finding = vf::find_use(target->vf, host.store, host.socket, foreign);
  if (finding.use == vf::UseOfVf::used_elsewhere) refuse(device, finding.why);
}

}  // namespace

void allocate(vf::Host& host, const state::Allocation& wanted, std::chrono::milliseconds patience) {
  const bool is_pci = kernel::normalise_pci_address(wanted.device).has_value();
  if (is_pci && !kernel::find_pci_function(host.sysfs, wanted.device))
    throw Error(Error::Code::device, fmt::format("{} is not a device of this node", wanted.device),
                "`barewire list` shows the VFs there are");
  const auto lock = lock_device(host, wanted.device, patience);
  const auto existing = host.allocations.find(wanted.device);
  // kubelet may ask again for what it has (a container that is restarted): then the promise is only written anew.
  if (existing && !is_same_promiser(*existing, wanted)) refuse(wanted.device, existing->text());
  // One that it has already may well be in use: by its own pod.
  if (!existing) require_unused(host, wanted.device);
  host.allocations.save(wanted);
}

bool release(vf::Host& host, const std::string& device, const std::string& by, const std::string& owner,
             std::chrono::milliseconds patience) {
  const auto lock = lock_device(host, device, patience);
  const auto existing = host.allocations.find(device);
  if (!existing || !is_same_promiser(*existing, {.by = by, .owner = owner})) return false;
  host.allocations.remove(device);
  return true;
}

bool record_given(vf::Host& host, const state::Allocation& given) {
  const auto lock = lock_device(host, given.device, std::chrono::seconds(5));
  const auto existing = host.allocations.find(given.device);
  // No look at whether it is in use: kubelet says that it has given the device away, and that is how it is.
  if (existing) return is_same_promiser(*existing, given);
  host.allocations.save(given);
  return true;
}

bool name_pod(vf::Host& host, const state::Allocation& known) {
  const auto lock = lock_device(host, known.device, std::chrono::seconds(5));
  auto existing = host.allocations.find(known.device);
  if (!existing || !is_same_promiser(*existing, known)) return false;
  existing->pod = known.pod;
  existing->container = known.container;
  host.allocations.save(*existing);
  return true;
}

}  // namespace barewire::inventory
