// SPDX-License-Identifier: Apache-2.0
/// Refuses what a NIC is known not to do, before anything on it is touched. Used by preflight of the plugins and by
/// `barewire explain`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hw-profiles/profile.h"

namespace barewire::hw {

/// One attribute a config asks for.
struct Requested {
  Attribute attribute{};
  std::string key;                     ///< the config key, "vlanProto"; empty: the attribute's name
  std::string value;                   ///< as configured, "802.1ad"; may be empty
  std::optional<std::int64_t> number;  ///< for rates (Mb/s), vlan_qos and mtu (bytes)
};

/// The VF it is asked of.
struct Target {
  std::string pf_address;  ///< "0000:01:00.0", for messages
  std::uint32_t vf = 0;
  bool trusted = false;    ///< once the config is applied
  bool switchdev = false;  ///< mode of the PF's eswitch
};

/// Why this NIC cannot do it; nullopt when it can, or when nobody knows and it is to be tried. Only verified knowledge
/// refuses. A rate or priority of 0 asks for nothing and is refused only where its companion is, too.
std::optional<std::string> why_unsupported(const Profile& profile, const Requested& requested, const Target& target);

/// Throws Error{unsupported_by_nic} that names all of `requested` that this NIC cannot do:
/// "setting link_state on 0000:01:00.0 vf 2 is not supported by igb (Intel 82576): <reason>".
void check_supported(const Profile& profile, const std::vector<Requested>& requested, const Target& target);

}  // namespace barewire::hw
