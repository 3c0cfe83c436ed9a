// SPDX-License-Identifier: Apache-2.0
// What of a profile the code acts on; the rest of it is for messages and for people.
#include "hw-profiles/nic.h"

#include <net/if_arp.h>

#include "core/log.h"

namespace barewire::hw {

namespace {

vf::MacAction translate(MacAction action) {
  switch (action) {
    case MacAction::vf_follows:
      return vf::MacAction::vf_follows;
    case MacAction::set_in_pod:
      return vf::MacAction::set_own;
    case MacAction::reopen:
      return vf::MacAction::reopen;
    case MacAction::rebind:
      return vf::MacAction::rebind;
  }
  return vf::MacAction::set_own;
}

}  // namespace

LoadOptions options_for(const Node& node, const vf::Pf& pf) {
  LoadOptions options;
  options.site_dir = node.profile_dir;
  if (pf.link && pf.link->arp_type == ARPHRD_INFINIBAND) options.link = LinkLayer::infiniband;
  return options;
}

vf::Habits habits_of(const Profile& profile) {
  vf::Habits habits;
  habits.mac_actions.clear();
  for (const MacAction action : profile.mac.make_effective.value) habits.mac_actions.push_back(translate(action));
  // A profile that knows no way does not mean that none is tried.
  if (habits.mac_actions.empty()) habits.mac_actions = vf::Habits().mac_actions;
  // Only a profile that saw it says no: a guess must not keep an admin MAC on a VF that is given back.
  habits.zero_mac_resets = profile.mac.zero_resets.value || !profile.mac.zero_resets.verified;
  habits.reopen_after_vlan = profile.vlan.after_change.value == VlanAction::reopen;
  habits.reset_after_vfio = profile.flr_before_vfio_reuse.value;
  habits.retries = profile.retry.value.count;
  habits.pause = profile.retry.value.interval;
  habits.retry_errors = profile.retry.value.errors;
  return habits;
}

Nic find_nic(const Node& node, const vf::Pf& pf) {
  Nic nic{find_profile({pf.pci.vendor, pf.pci.device}, pf.pci.driver, options_for(node, pf)), {}};
  for (const std::string& problem : nic.profile.problems) log_warning("ignoring a hardware profile: {}", problem);
  nic.habits = habits_of(nic.profile);
  return nic;
}

vf::Habits find_habits(const Node& node, vf::Host& host, const std::string& pf_address) {
  if (const auto pf = vf::find_pf_alone(host.sysfs, host.socket, pf_address)) return find_nic(node, *pf).habits;
  // No PF any more, as after its driver has gone: what its ids tell.
  const auto function = kernel::find_pci_function(host.sysfs, pf_address);
  return function ? find_nic(node, vf::Pf{*function, std::nullopt, 0, {}}).habits : vf::Habits();
}

}  // namespace barewire::hw
