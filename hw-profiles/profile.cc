// SPDX-License-Identifier: Apache-2.0
// A card may differ from its family in single attributes, so lookups go to the card first.
#include "hw-profiles/profile.h"

#include <fmt/format.h>

#include <cerrno>
#include <type_traits>
#include <utility>

namespace barewire::hw {

std::string to_string(const PciId& id) {
  return fmt::format("{:04x}:{:04x}", id.vendor, id.device);
}

std::string Profile::description() const {
  const std::string name = driver.empty() ? family : driver;
  if (vendor.empty()) return name;
  return model.empty() ? fmt::format("{} ({})", name, vendor) : fmt::format("{} ({} {})", name, vendor, model);
}

namespace {

constexpr const char* kUnknown = "no profile: tried and reported";

template <typename T>
void guess(Fact<T>& fact, std::type_identity_t<T> value) {
  fact.value = std::move(value);
  fact.source = kUnknown;
}

}  // namespace

Profile probed_profile() {
  Profile profile;
  profile.family = "probed";
  for (Capability& capability : profile.attributes) capability.source = kUnknown;
  // The order in which most drivers give way: the address on the netdev, as sriov-cni does, then the igb family's ways.
  guess(profile.mac.make_effective,
        {MacAction::set_in_pod, MacAction::vf_follows, MacAction::reopen, MacAction::rebind});
  guess(profile.mac.untrusted_may_override, false);
  guess(profile.mac.zero_resets, true);
  // A short interruption is cheaper than a VF that stays deaf in its new VLAN.
  guess(profile.vlan.after_change, VlanAction::reopen);
  profile.retry.source = kUnknown;
  profile.retry.value.errors = {EAGAIN, EBUSY};
  profile.switchdev.capability.source = kUnknown;
  guess(profile.switchdev.steps, {SwitchdevStep::remove_vfs, SwitchdevStep::create_vfs, SwitchdevStep::unbind_vfs,
                                  SwitchdevStep::switchdev, SwitchdevStep::hw_tc_offload, SwitchdevStep::bind_vfs});
  guess(profile.dpdk_driver, "vfio-pci");
  guess(profile.dpdk_bifurcated, false);
  guess(profile.max_vfs, {});
  // The PCI core refuses another number with EBUSY while there are VFs. Source: drivers/pci/iov.c sriov_numvfs_store.
  guess(profile.vf_count_needs_zero, true);
  // A reset too many costs a moment; one too few leaves the next pod what the last one's program wrote into the device.
  guess(profile.flr_before_vfio_reuse, true);
  guess(profile.pf_must_be_up, false);
  return profile;
}

}  // namespace barewire::hw
