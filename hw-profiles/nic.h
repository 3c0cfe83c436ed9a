// SPDX-License-Identifier: Apache-2.0
/// What is known of the NIC behind a PF, for the plugins that hand over its VFs: its profile, and its drivers' habits
/// in the terms of core/vf.
#pragma once

#include <string>

#include "core/node.h"
#include "core/vf/habits.h"
#include "core/vf/host.h"
#include "core/vf/inventory.h"
#include "hw-profiles/loader.h"
#include "hw-profiles/profile.h"

namespace barewire::hw {

struct Nic {
  Profile profile;
  vf::Habits habits;
};
/// Where the site's profiles are, and which of a card's two families this PF is: by the link layer of its netdev.
LoadOptions options_for(const Node& node, const vf::Pf& pf);
/// By the PF's ids, then by its driver; never fails: a NIC that no profile names is one that is tried.
Nic find_nic(const Node& node, const vf::Pf& pf);
/// What of a profile changes the steps of ADD and DEL.
vf::Habits habits_of(const Profile& profile);
/// As find_nic, by PCI addresses alone, for undoing; a PF that is gone gives the habits of an unknown NIC.
vf::Habits find_habits(const Node& node, vf::Host& host, const std::string& pf_address);

}  // namespace barewire::hw
