// SPDX-License-Identifier: Apache-2.0
#include "hw-profiles/profile.h"

#include <fmt/format.h>

#include <cerrno>

namespace barewire::hw {

std::string to_string(const PciId& id) {
  return fmt::format("{:04x}:{:04x}", id.vendor, id.device);
}

std::string Profile::description() const {
  const std::string name = driver.empty() ? family : driver;
  if (vendor.empty()) return name;
  return model.empty() ? fmt::format("{} ({})", name, vendor) : fmt::format("{} ({} {})", name, vendor, model);
}

Profile probed_profile() {
  const std::string source = "no profile: tried and reported";
  Profile profile;
  profile.family = "probed";
  for (Capability& capability : profile.attributes) capability.source = source;
  // The order in which most drivers give way: the address on the netdev, as sriov-cni does, then the igb family's ways.
  profile.mac.make_effective = {
      {MacAction::set_in_pod, MacAction::vf_follows, MacAction::reopen, MacAction::rebind}, false, source, {}};
  profile.mac.untrusted_may_override = {false, false, source, {}};
  profile.mac.zero_resets = {true, false, source, {}};
  // A short interruption is cheaper than a VF that stays deaf in its new VLAN.
  profile.vlan.after_change = {VlanAction::reopen, false, source, {}};
  profile.vlan.zero_resets = {true, false, source, {}};
  profile.order = {{Attribute::mac, Attribute::trust, OrderRule::When::restore, false, source, {}}};
  profile.retry = {{20, std::chrono::milliseconds(100), {EAGAIN, EBUSY}}, false, source, {}};
  profile.switchdev.capability.source = source;
  profile.switchdev.steps = {{SwitchdevStep::remove_vfs, SwitchdevStep::create_vfs, SwitchdevStep::unbind_vfs,
                              SwitchdevStep::switchdev, SwitchdevStep::hw_tc_offload, SwitchdevStep::bind_vfs},
                             false,
                             source,
                             {}};
  profile.dpdk_driver = {"vfio-pci", false, source, {}};
  profile.dpdk_bifurcated = {false, false, source, {}};
  profile.max_vfs = {std::nullopt, false, source, {}};
  profile.vf_count_needs_zero = {true, false, source, {}};
  profile.flr_before_vfio_reuse = {true, false, source, {}};
  profile.carrier = {Carrier::unknown, false, source, {}};
  profile.pf_must_be_up = {false, false, source, {}};
  profile.has_vf_info = {true, false, source, {}};
  profile.admin_netdev = {AdminNetdev::uplink, false, source, {}};
  return profile;
}

}  // namespace barewire::hw
