// SPDX-License-Identifier: Apache-2.0
/// Finds the profile of a NIC: among the site's own in /etc/barewire/hw-profiles, then among those compiled in. Plugins
/// and the device manager start here. Source: docs/decisions/hardware-profiles.md.
#pragma once

#include <string>
#include <vector>

#include "hw-profiles/profile.h"
#include "hw-profiles/reader.h"

namespace barewire::hw {

struct LoadOptions {
  std::string site_dir = "/etc/barewire/hw-profiles";  ///< may be missing
  LinkLayer link = LinkLayer::ethernet;                ///< of the PF: some cards are two families
};

/// The profile of the PF with these ids and this driver ("igb"; empty when unbound), adjusted to the very card.
/// Looked for in this order: a site profile with the PF's id, a shipped one with the id, a site profile with the
/// driver, a shipped one with the driver, else probed_profile(). A site profile replaces the shipped one of the same
/// family. A wrong site profile is ignored and named in `problems`. Throws nothing but std::bad_alloc.
Profile find_profile(const PciId& pf, const std::string& driver, const LoadOptions& options = {});

/// As find_profile, by a VF's own id and driver, for a VF whose PF is not to be seen. Ids that several cards share give
/// the family and no model.
Profile find_profile_of_vf(const PciId& vf, const std::string& driver, const LoadOptions& options = {});

/// Every shipped profile, then the site's, those replaced left out; for lists and checks by an admin.
ProfileSet all_profiles(const LoadOptions& options = {});

}  // namespace barewire::hw
