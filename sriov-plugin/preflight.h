// SPDX-License-Identifier: Apache-2.0
/// Can this NIC do what the config asks? Answered from its profile and by asking the kernel, before anything is
/// touched.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/vf/host.h"
#include "core/vf/inventory.h"
#include "hw-profiles/check.h"
#include "hw-profiles/nic.h"
#include "sriov-plugin/config.h"

namespace barewire::sriov {

/// The attributes that `settings` ask a NIC for, under the names of their config keys.
std::vector<hw::Requested> requested_attributes(const vf::Settings& settings);

/// `settings` without what the VF has already, which needs no support of the NIC: no VLAN, spoof checking as it is,
/// trust off and link state auto also where the driver tells nothing of them.
vf::Settings without_what_is(vf::Settings settings, const std::optional<kernel::VfInfo>& info);

/// Throws Error{device} when the VF cannot be handed over (no driver, netdev elsewhere), Error{held} when it is part of
/// a bridge or bond, Error{config} when a setting needs a netdev and there is none, Error{unsupported_by_nic} naming
/// every attribute that the profile refuses. Touches nothing.
void check_vf(const hw::Nic& nic, const vf::VfOfPf& target, const vf::Settings& settings);

/// Asks the driver for what the profile does not know, by setting the value an attribute has already.
/// Throws Error{unsupported_by_nic} naming the attributes that the driver does not offer.
void probe_vf(vf::Host& host, const hw::Nic& nic, const vf::VfOfPf& target, const vf::Settings& settings);

}  // namespace barewire::sriov
