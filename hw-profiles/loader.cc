// SPDX-License-Identifier: Apache-2.0
// A site's entries come before shipped ones, and ids before drivers' names: docs/configuration/hw-profiles.md.
#include "hw-profiles/loader.h"

#include <algorithm>

#include "hw-profiles/packed.h"
#include "hw-profiles/shipped.h"

namespace barewire::hw {

namespace {

enum class Side { pf, vf };

/// What is known of the NIC that is looked for.
struct Wanted {
  Side side;
  PciId id;
  const std::string& driver;
  LinkLayer link;
};

bool has_id(const Profile& profile, const Wanted& wanted) {
  if (wanted.id == PciId{}) return false;
  return std::any_of(profile.devices.value.begin(), profile.devices.value.end(), [&](const Device& device) {
    return wanted.side == Side::pf ? device.pf == wanted.id : device.vf == wanted.id;
  });
}

bool has_driver(const Profile& profile, const Wanted& wanted) {
  const auto& drivers = wanted.side == Side::pf ? profile.pf_drivers : profile.vf_drivers;
  return std::find(drivers.begin(), drivers.end(), wanted.driver) != drivers.end();
}

const Profile* find_in(const std::vector<Profile>& profiles, const Wanted& wanted,
                       bool (*matches)(const Profile&, const Wanted&)) {
  for (const Profile& profile : profiles)
    if (profile.link == wanted.link && matches(profile, wanted)) return &profile;
  return nullptr;
}

bool is_replaced(std::string_view family, const std::vector<Profile>& site) {
  return std::any_of(site.begin(), site.end(), [&](const Profile& profile) { return profile.family == family; });
}

Profile read_shipped(const shipped::Packed& packed) {
  Profile profile;
  PackReader reader(packed.bytes);
  describe(reader, profile);
  return profile;
}

/// The profile of the first entry with `key`, of the right link layer, that the site has not replaced.
template <typename Entry, typename Key>
const shipped::Packed* find_shipped(std::span<const Entry> entries, const Key& key, LinkLayer link,
                                    const std::vector<Profile>& site) {
  auto entry = std::lower_bound(entries.begin(), entries.end(), key,
                                [](const Entry& candidate, const Key& wanted) { return candidate.key < wanted; });
  for (; entry != entries.end() && entry->key == key; ++entry) {
    const shipped::Packed& packed = shipped::profiles()[entry->profile];
    if (packed.infiniband == (link == LinkLayer::infiniband) && !is_replaced(packed.family, site)) return &packed;
  }
  return nullptr;
}

const shipped::Packed* find_shipped_by_id(const Wanted& wanted, const std::vector<Profile>& site) {
  const std::uint32_t key = static_cast<std::uint32_t>(wanted.id.vendor) << 16 | wanted.id.device;
  return find_shipped(wanted.side == Side::pf ? shipped::pf_ids() : shipped::vf_ids(), key, wanted.link, site);
}

const shipped::Packed* find_shipped_by_driver(const Wanted& wanted, const std::vector<Profile>& site) {
  const std::string_view key = wanted.driver;
  return find_shipped(wanted.side == Side::pf ? shipped::pf_drivers() : shipped::vf_drivers(), key, wanted.link, site);
}

Profile choose(const Wanted& wanted, const std::vector<Profile>& site) {
  if (const Profile* found = find_in(site, wanted, has_id)) return *found;
  if (const shipped::Packed* found = find_shipped_by_id(wanted, site)) return read_shipped(*found);
  if (const Profile* found = find_in(site, wanted, has_driver)) return *found;
  if (const shipped::Packed* found = find_shipped_by_driver(wanted, site)) return read_shipped(*found);
  return probed_profile();
}

/// Model and differing attributes of the one card that has the id.
void adjust_to_card(Profile& profile, const Wanted& wanted) {
  const Device* card = nullptr;
  for (const Device& device : profile.devices.value) {
    if (wanted.side == Side::pf ? device.pf != wanted.id : device.vf != wanted.id) continue;
    if (card != nullptr) return;  // a VF id that several cards share
    card = &device;
  }
  if (card == nullptr) return;
  profile.model = card->model;
  for (const auto& [attribute, capability] : card->attributes)
    profile.attributes[static_cast<std::size_t>(attribute)] = capability;
}

Profile find(const Wanted& wanted, const LoadOptions& options) {
  const ProfileSet site = read_profile_directory(options.site_dir);
  Profile profile = choose(wanted, site.profiles);
  profile.driver = wanted.driver;
  adjust_to_card(profile, wanted);
  for (const Error& error : site.errors) profile.problems.emplace_back(error.what());
  return profile;
}

}  // namespace

Profile find_profile(const PciId& pf, const std::string& driver, const LoadOptions& options) {
  return find({Side::pf, pf, driver, options.link}, options);
}

Profile find_profile_of_vf(const PciId& vf, const std::string& driver, const LoadOptions& options) {
  return find({Side::vf, vf, driver, options.link}, options);
}

ProfileSet all_profiles(const LoadOptions& options) {
  ProfileSet site = read_profile_directory(options.site_dir);
  ProfileSet all;
  for (const shipped::Packed& packed : shipped::profiles())
    if (!is_replaced(packed.family, site.profiles)) all.profiles.push_back(read_shipped(packed));
  std::move(site.profiles.begin(), site.profiles.end(), std::back_inserter(all.profiles));
  all.errors = std::move(site.errors);
  return all;
}

}  // namespace barewire::hw
