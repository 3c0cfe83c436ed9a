// SPDX-License-Identifier: Apache-2.0
#include "hw-profiles/reader.h"

#include <gmock/gmock.h>

#include "tests/unit/hw-profiles/profile_test_support.h"

namespace barewire::hw {
namespace {

using Support = Capability::Support;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string error_when(const std::string& from, const std::string& to) {
  return error_of([&] { read_profile(with(kSmallProfile, from, to), "/etc/p/acme.json"); });
}

TEST(ProfileReader, ReadsWhatIsThere) {
  const Profile profile = read_profile(kSmallProfile, "acme.json");
  EXPECT_EQ(profile.family, "acme-fast");
  EXPECT_EQ(profile.vendor, "Acme");
  EXPECT_EQ(profile.file, "acme.json");
  EXPECT_THAT(profile.pf_drivers, ElementsAre("acme"));
  EXPECT_THAT(profile.vf_drivers, ElementsAre("acmevf"));
  ASSERT_EQ(profile.devices.value.size(), 2U);
  EXPECT_EQ(to_string(profile.devices.value[1].pf), "abcd:0002");
  EXPECT_EQ(profile.capability(Attribute::mac).support, Support::yes);
  EXPECT_EQ(profile.capability(Attribute::trust).support, Support::no);
}

TEST(ProfileReader, LeavesOutIsUnknownAndAsForAnyUnknownNic) {
  const Profile profile = read_profile(kSmallProfile, "acme.json");
  EXPECT_EQ(profile.capability(Attribute::max_tx_rate).support, Support::unknown);
  EXPECT_FALSE(profile.capability(Attribute::max_tx_rate).verified);
  EXPECT_EQ(profile.mac.make_effective.value, probed_profile().mac.make_effective.value);
}

TEST(ProfileReader, SpellsSourcesOut) {
  const Profile profile = read_profile(kSmallProfile, "acme.json");
  EXPECT_EQ(profile.capability(Attribute::mac).source, "Acme manual, edition 3");
  EXPECT_EQ(profile.capability(Attribute::trust).source, "Acme manual, edition 3: 4.2");
}

TEST(ProfileReader, ReadsEveryPartOfAProfile) {
  const Profile profile = read_profile(with(kSmallProfile, R"("attributes")", R"(
        "mac": {"make_effective": {"value": ["vf-follows", "reopen"], "verified": true, "source": "manual"}},
        "vlan": {"after_change": {"value": "none", "verified": true, "source": "manual"}},
        "retry": {"value": {"count": 3, "interval_ms": 50, "errors": ["EBUSY"]}, "verified": true, "source": "manual"},
        "switchdev": {"supported": "firmware", "verified": true, "source": "manual",
                      "steps": {"value": ["remove-vfs", "switchdev"], "verified": true, "source": "manual"}},
        "dpdk": {"driver": {"value": "acme_uio", "verified": true, "source": "manual"},
                 "bifurcated": {"value": true, "verified": true, "source": "manual"}},
        "vfs": {"max": {"value": 12, "verified": true, "source": "manual"}},
        "pf": {"must_be_up": {"value": true, "verified": true, "source": "manual", "note": "ENETDOWN"}},
        "attributes")"),
                                       "acme.json");
  EXPECT_THAT(profile.mac.make_effective.value, ElementsAre(MacAction::vf_follows, MacAction::reopen));
  EXPECT_EQ(profile.vlan.after_change.value, VlanAction::none);
  EXPECT_EQ(profile.retry.value.count, 3);
  EXPECT_EQ(profile.retry.value.interval, std::chrono::milliseconds(50));
  EXPECT_THAT(profile.retry.value.errors, ElementsAre(EBUSY));
  EXPECT_EQ(profile.switchdev.capability.support, Support::unknown);
  EXPECT_THAT(profile.switchdev.steps.value, ElementsAre(SwitchdevStep::remove_vfs, SwitchdevStep::switchdev));
  EXPECT_EQ(profile.dpdk_driver.value, "acme_uio");
  EXPECT_TRUE(profile.dpdk_bifurcated.value);
  EXPECT_EQ(profile.max_vfs.value, 12);
  EXPECT_TRUE(profile.pf_must_be_up.value);
  EXPECT_EQ(profile.pf_must_be_up.note, "ENETDOWN");
}

TEST(ProfileReader, RefusesWhatIsNotJsonAndSaysWhere) {
  EXPECT_THAT(error_when(R"("vendor": "Acme",)", R"("vendor": "Acme",,)"),
              StartsWith("6: /etc/p/acme.json is not valid JSON at line 2"));
  EXPECT_THAT(error_of([] { read_profile("", "empty.json"); }), StartsWith("6: empty.json is not valid JSON"));
  EXPECT_THAT(error_of([] { read_profile("[]", "list.json"); }), HasSubstr("list.json"));
}

TEST(ProfileReader, NamesFileAndKeyOfAWrongType) {
  EXPECT_EQ(
      error_when(R"("supported": true)", R"("supported": 1)"),
      "7: /etc/p/acme.json: key \"attributes.mac.supported\" is 1; expected true, false, \"firmware\" or \"probe\"");
  EXPECT_EQ(error_when(R"("supported": true)", R"("supported": "maybe")"),
            "7: /etc/p/acme.json: key \"attributes.mac.supported\" is \"maybe\"; expected one of firmware, probe");
  EXPECT_EQ(error_when(R"(["acme"])", R"("acme")"),
            "7: /etc/p/acme.json: key \"drivers.pf\" is \"acme\"; expected an array of strings");
  EXPECT_EQ(error_when(R"("verified": true, "source": "manual"})", R"("verified": "yes", "source": "manual"})"),
            "7: /etc/p/acme.json: key \"attributes.mac.verified\" is \"yes\"; expected true or false");
}

TEST(ProfileReader, NamesFileAndKeyOfWhatIsMissing) {
  // Renamed to a key that is read after all of these.
  for (const char* key : {"family", "vendor", "drivers", "sources", "ids", "attributes"})
    EXPECT_EQ(error_when("\"" + std::string(key) + "\":", "\"dpdk\":"),
              fmt::format("7: /etc/p/acme.json: key \"{}\" is missing", key));
  EXPECT_EQ(error_when(R"(, "source": "manual"})", "}"),
            "7: /etc/p/acme.json: key \"attributes.mac.source\" is missing");
  EXPECT_EQ(error_when(R"("supported": true, )", ""),
            "7: /etc/p/acme.json: key \"attributes.mac.supported\" is missing");
  EXPECT_EQ(error_when(R"(, "model": "Fast 2")", ""), "7: /etc/p/acme.json: key \"devices[1].model\" is missing");
}

TEST(ProfileReader, RefusesKeysNobodyKnows) {
  EXPECT_THAT(error_when(R"("trust": {)", R"("thrust": {)"),
              StartsWith("7: /etc/p/acme.json: key \"attributes.thrust\" is unknown; expected one of mac, vlan,"));
  EXPECT_THAT(error_when(R"("vendor")", R"("colour": "red", "vendor")"),
              StartsWith("7: /etc/p/acme.json: key \"colour\" is unknown; expected one of family, vendor,"));
  EXPECT_THAT(error_when(R"("note")", R"("comment")"), HasSubstr("key \"attributes.trust.comment\" is unknown"));
  EXPECT_THAT(error_when(R"("supported": true)", R"("Supported": true)"), HasSubstr("\"attributes.mac.Supported\""));
}

TEST(ProfileReader, RefusesASourceThatIsNotExplained) {
  EXPECT_EQ(
      error_when(R"("source": "manual"})", R"("source": "hearsay"})"),
      "7: /etc/p/acme.json: key \"attributes.mac.source\" is \"hearsay\"; expected a name that \"sources\" explains, "
      "alone or followed by \": \" and the place");
}

TEST(ProfileReader, RefusesMalformedAndRepeatedIds) {
  EXPECT_EQ(error_when("abcd:0002", "abcd:2"),
            "7: /etc/p/acme.json: key \"devices[1].pf\" is \"abcd:2\"; expected a PCI id of four hex digits each, like "
            "\"8086:10c9\"");
  EXPECT_EQ(
      error_when("abcd:0002", "abcd:0001"),
      "7: /etc/p/acme.json: key \"devices[1].pf\" is \"abcd:0001\"; expected an id that no earlier device of this "
      "profile has");
}

TEST(ProfileReader, RefusesErrorsNobodyRepeatsAfter) {
  EXPECT_THAT(
      error_when(R"("attributes")", R"("retry": {"value": {"count": 3, "interval_ms": 50, "errors": ["EFOO"]},
                                                          "verified": true, "source": "manual"}, "attributes")"),
      StartsWith("7: /etc/p/acme.json: key \"retry.value.errors[0]\" is \"EFOO\"; expected one of EACCES, EAGAIN,"));
}

TEST(ProfileReader, RefusesNumbersOutOfRange) {
  EXPECT_THAT(error_when(R"("supported": true)", R"("supported": true, "max": 0)"),
              HasSubstr("key \"attributes.mac.max\" is 0; expected an integer from 1 to"));
}

TEST(ParsePciId, TakesFourHexDigitsEach) {
  EXPECT_EQ(parse_pci_id("8086:10C9"), (PciId{0x8086, 0x10c9}));
  for (const char* bad : {"", "8086", "8086:10c", "808610c99", "8086-10c9", "8086:10cg", "-086:10c9", "8086:10c9 "})
    EXPECT_EQ(parse_pci_id(bad), std::nullopt) << bad;
}

TEST(ProfileDirectory, JudgesEachFileApart) {
  const ProfileDir dir;
  dir.add("a.json", kSmallProfile);
  const std::string bad = dir.add("b.json", "{}");
  dir.add("c.json", with(with(with(kSmallProfile, "acme-fast", "acme-slow"), "abcd:0001", "abcd:0003"), "abcd:0002",
                         "abcd:0004"));
  dir.add("notes.txt", "not a profile");
  const ProfileSet set = read_profile_directory(dir.path());
  ASSERT_EQ(set.profiles.size(), 2U);
  EXPECT_EQ(set.profiles[0].family, "acme-fast");
  EXPECT_EQ(set.profiles[1].family, "acme-slow");
  ASSERT_EQ(set.errors.size(), 1U);
  EXPECT_THAT(set.errors[0].what(), StartsWith(bad + ": key \"family\" is missing"));
}

TEST(ProfileDirectory, GivesAFamilyAndAnIdToOneProfileOnly) {
  const ProfileDir dir;
  const std::string first = dir.add("a.json", kSmallProfile);
  const std::string same = dir.add("b.json", kSmallProfile);
  const std::string id =
      dir.add("c.json", with(with(kSmallProfile, "acme-fast", "acme-slow"), "abcd:0001", "abcd:0009"));
  const ProfileSet set = read_profile_directory(dir.path());
  EXPECT_EQ(set.profiles.size(), 1U);
  ASSERT_EQ(set.errors.size(), 2U);
  EXPECT_EQ(set.errors[0].what(),
            fmt::format("{}: key \"family\" is \"acme-fast\", which {} has already; expected a name of its own", same,
                        first));
  EXPECT_EQ(set.errors[1].what(),
            fmt::format(
                "{}: key \"devices[1].pf\" is \"abcd:0002\", which {} has already; expected an id of no other profile",
                id, first));
}

TEST(ProfileDirectory, IsEmptyWhenThereIsNone) {
  const ProfileSet set = read_profile_directory("/proc/nonexistent/profiles");
  EXPECT_TRUE(set.profiles.empty());
  EXPECT_TRUE(set.errors.empty());
}

TEST(ProfileDirectory, SaysWhenItIsNoDirectory) {
  const ProfileDir dir;
  const ProfileSet set = read_profile_directory(dir.add("file", ""));
  ASSERT_EQ(set.errors.size(), 1U);
  EXPECT_THAT(set.errors[0].what(), StartsWith("listing " + dir.path() + "/file failed"));
}

}  // namespace
}  // namespace barewire::hw
