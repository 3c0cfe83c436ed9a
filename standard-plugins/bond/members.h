// SPDX-License-Identifier: Apache-2.0
/// The links a bond is made of: found, recorded as they were, taken into the pod, given back. bond.cc makes the bond
/// between. The kernel gives a member the bond's MAC and MTU, so both are on record before.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel/link.h"
#include "core/kernel/netns.h"
#include "core/state/attachment.h"
#include "standard-plugins/bond/config.h"

namespace barewire::standard {

/// A link as it was before.
struct BondMember {
  std::string name;
  std::optional<MacAddress> mac, perm_mac;
  std::uint32_t mtu = 0;   ///< 0: not known
  std::optional<bool> up;  ///< absent: not known
};

/// The links of `config`: in the pod (`inside`) or on the node, none of a master. Throws Error{device} naming one that
/// is missing, {held} one that has a master, {config} an MTU that one of them does not have.
std::vector<BondMember> find_members(const BondConfig& config, kernel::NlSocket& inside);

/// Into the data of `attachment`, which the caller saves before enslave(). What was not known of a link is not put
/// back.
void members_to_record(const std::vector<BondMember>& members, bool in_container, state::Attachment& attachment);

/// Takes the members into `netns`, gives those whose MAC address another one has a new one, and adds them to the bond.
/// Throws KernelError; what was done by then give_members_back undoes.
void enslave(const std::vector<BondMember>& members, bool in_container, const kernel::NetNs& netns,
             kernel::NlSocket& inside, const kernel::Link& bond);

/// Gives back what members_to_record wrote: back to the node, with the MAC address, the MTU and the state they had. One
/// that is gone is left out. To call once the bond is gone.
void give_members_back(const state::Attachment& attachment);

}  // namespace barewire::standard
