// SPDX-License-Identifier: Apache-2.0
#include "hw-profiles/loader.h"

#include <gmock/gmock.h>

#include "core/fd.h"
#include "tests/unit/hw-profiles/profile_test_support.h"

namespace barewire::hw {
namespace {

using Support = Capability::Support;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr PciId k82576{0x8086, 0x10c9};

/// The shipped igb profile with trust taken away.
std::string igb_without_trust() {
  const std::string igb = *read_file(PROFILE_SOURCE_DIR "/intel-igb.json");
  return with(igb, R"("trust": {"supported": true)", R"("trust": {"supported": false)");
}

TEST(FindProfile, GivesAnUnknownNicTheProbedDefault) {
  const Profile profile = find_profile({0x1234, 0x5678}, "mystery", {"/proc/nonexistent", {}});
  EXPECT_EQ(profile.family, "probed");
  EXPECT_EQ(profile.description(), "mystery");
  for (const Attribute attribute : all_attributes())
    EXPECT_EQ(profile.capability(attribute).support, Support::unknown) << attribute_name(attribute);
  EXPECT_FALSE(profile.mac.make_effective.value.empty());
}

TEST(FindProfile, KnowsACardOfUnknownIdByItsDriver) {
  const Profile profile = find_profile({0x8086, 0xffff}, "igb", {"/proc/nonexistent", {}});
  EXPECT_EQ(profile.family, "intel-igb");
  EXPECT_EQ(profile.description(), "igb (Intel)");
}

TEST(FindProfile, GoesByIdRatherThanByDriver) {
  EXPECT_EQ(find_profile(k82576, "vfio-pci", {"/proc/nonexistent", {}}).family, "intel-igb");
}

TEST(FindProfile, TakesASiteProfileForANewCard) {
  const ProfileDir site;
  site.add("acme.json", kSmallProfile);
  const Profile profile = find_profile({0xabcd, 0x0002}, "acme", {site.path(), {}});
  EXPECT_EQ(profile.description(), "acme (Acme Fast 2)");
  EXPECT_EQ(profile.file, site.path() + "/acme.json");
  EXPECT_EQ(find_profile({0xabcd, 0x0099}, "acme", {site.path(), {}}).family, "acme-fast");
  EXPECT_EQ(find_profile(k82576, "igb", {site.path(), {}}).family, "intel-igb");
}

TEST(FindProfile, LetsASiteProfileReplaceTheShippedOneOfItsFamily) {
  const ProfileDir site;
  site.add("ours.json", igb_without_trust());
  for (const PciId id : {k82576, PciId{0x8086, 0xffff}}) {
    const Profile profile = find_profile(id, "igb", {site.path(), {}});
    EXPECT_EQ(profile.capability(Attribute::trust).support, Support::no);
    EXPECT_EQ(profile.file, site.path() + "/ours.json");
  }
}

TEST(FindProfile, PrefersASiteProfileWithTheIdToAShippedOneOfAnotherFamily) {
  const ProfileDir site;
  site.add("acme.json", with(kSmallProfile, "abcd:0001", "8086:10c9"));
  EXPECT_EQ(find_profile(k82576, "igb", {site.path(), {}}).family, "acme-fast");
}

TEST(FindProfile, IgnoresAWrongSiteProfileAndSaysSo) {
  const ProfileDir site;
  const std::string bad = site.add("bad.json", with(kSmallProfile, "\"family\"", "\"familie\""));
  site.add("good.json", kSmallProfile);
  const Profile igb = find_profile(k82576, "igb", {site.path(), {}});
  EXPECT_EQ(igb.family, "intel-igb");
  ASSERT_EQ(igb.problems.size(), 1U);
  EXPECT_THAT(igb.problems[0], testing::StartsWith(bad + ": key \"familie\" is unknown"));
  EXPECT_EQ(find_profile({0xabcd, 0x0001}, "acme", {site.path(), {}}).family, "acme-fast");
}

TEST(FindProfile, FallsBackToTheShippedProfileWhenTheSitesOwnIsWrong) {
  const ProfileDir site;
  site.add("intel-igb.json", "{\"family\": \"intel-igb\",");
  const Profile igb = find_profile(k82576, "igb", {site.path(), {}});
  EXPECT_EQ(igb.capability(Attribute::trust).support, Support::yes);
  EXPECT_EQ(igb.problems.size(), 1U);
}

TEST(FindProfile, HasNothingToSayWithoutSiteProfiles) {
  EXPECT_THAT(find_profile(k82576, "igb", {"/proc/nonexistent", {}}).problems, IsEmpty());
}

TEST(FindProfileOfVf, NamesNoModelWhereCardsShareTheId) {
  const Profile shared = find_profile_of_vf({0x8086, 0x1889}, "iavf", {"/proc/nonexistent", {}});
  EXPECT_EQ(shared.family, "intel-ice");
  EXPECT_EQ(shared.model, "");
  const Profile own = find_profile_of_vf({0x15b3, 0x1018}, "mlx5_core", {"/proc/nonexistent", {}});
  EXPECT_EQ(own.model, "ConnectX-5");
}

TEST(FindProfileOfVf, KnowsAVfByItsDriver) {
  EXPECT_EQ(find_profile_of_vf({}, "igbvf", {"/proc/nonexistent", {}}).family, "intel-igb");
}

TEST(AllProfiles, ListsReplacedFamiliesOnce) {
  const ProfileDir site;
  site.add("a-bad.json", "[");
  site.add("acme.json", kSmallProfile);
  site.add("intel-igb.json", igb_without_trust());
  const ProfileSet shipped = all_profiles({"/proc/nonexistent", {}});
  const ProfileSet all = all_profiles({site.path(), {}});
  EXPECT_EQ(all.profiles.size(), shipped.profiles.size() + 1);
  EXPECT_EQ(
      std::count_if(all.profiles.begin(), all.profiles.end(), [](const Profile& p) { return p.family == "intel-igb"; }),
      1);
  EXPECT_EQ(all.errors.size(), 1U);
}

}  // namespace
}  // namespace barewire::hw
