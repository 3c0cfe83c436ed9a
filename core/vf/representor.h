// SPDX-License-Identifier: Apache-2.0
/// The switch-side netdev of a VF whose PF is in switchdev mode: what goes onto a bridge in the VF's stead. By what the
/// driver says of it, never by its place in a list. Used by the ovs plugin and the admin's commands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/kernel/devlink.h"
#include "core/kernel/sysfs.h"

namespace barewire::vf {

struct Representor {
  std::string netdev;
  enum class FoundBy { devlink_port, phys_port_name } found_by = FoundBy::devlink_port;
};

/// The representor of VF `vf`, in the caller's netns. `uplink` is the PF's netdev, whose switch the representor shares;
/// `pf_number` is the PF's among those of its switch (its PCI function number), told apart by where the switch has
/// several. nullopt: there is none, or two that cannot be told apart.
std::optional<Representor> find_representor(const kernel::Sysfs& sysfs, const kernel::DevlinkHandle& handle,
                                            const std::string& uplink, std::uint16_t pf_number, std::uint32_t vf);

/// "pf0vf3", "c0pf0vf3", and "3" of old drivers. nullopt for uplinks ("p0"), other PFs' and anything else.
/// Source: net/core/devlink.c __devlink_port_phys_port_name_get.
std::optional<std::uint32_t> parse_vf_port_name(std::string_view phys_port_name, std::uint16_t pf_number);

}  // namespace barewire::vf
