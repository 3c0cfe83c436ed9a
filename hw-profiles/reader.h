// SPDX-License-Identifier: Apache-2.0
/// Reads profiles from JSON, strictly: an unknown key is an error, since in a profile it can only be a slip. Used by
/// loader.h, and by embed.cc when the shipped profiles are compiled in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "hw-profiles/profile.h"

namespace barewire::hw {

/// One profile. `file` names it in messages. What the JSON leaves out is as in probed_profile().
/// Throws Error{decode} when it is not JSON, Error{config} `<file>: key "attributes.trust.supported" is 1; expected …`.
Profile read_profile(std::string_view json, const std::string& file);

/// Profiles of several files. A file that cannot be read or is wrong stands in `errors` and not among
/// `profiles`, and so does the second of two that claim the same family or PF id.
struct ProfileSet {
  std::vector<Profile> profiles;
  std::vector<Error> errors;
};
ProfileSet read_profiles(const std::vector<std::string>& files);
/// Every *.json of `directory`; nothing when there is no such directory. Throws nothing.
ProfileSet read_profile_directory(const std::string& directory);

/// "8086:10c9"; nullopt when malformed.
std::optional<PciId> parse_pci_id(std::string_view text);

}  // namespace barewire::hw
