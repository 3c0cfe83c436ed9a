// SPDX-License-Identifier: Apache-2.0
// The profiles that ship: complete, sourced, and the facts that the plugins rely on.
#include "hw-profiles/shipped.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "core/fd.h"
#include "hw-profiles/loader.h"
#include "hw-profiles/packed.h"
#include "tests/unit/hw-profiles/profile_test_support.h"

namespace barewire::hw {
namespace {

using Support = Capability::Support;

const LoadOptions kNoSite{"/proc/nonexistent", LinkLayer::ethernet};

/// The documents themselves: a test of the parsed profile could not tell a stated value from a default.
ProfileSet source_files() {
  return read_profile_directory(PROFILE_SOURCE_DIR);
}

/// Every field of it, for comparison.
std::string packed(const Profile& profile) {
  PackWriter pack;
  describe(pack, profile);
  return pack.bytes();
}

TEST(ShippedProfiles, AllAreValid) {
  for (const Error& error : source_files().errors) ADD_FAILURE() << error.what();
}

TEST(ShippedProfiles, AreTheFilesOfTheSourceTree) {
  std::set<std::string> files, compiled_in;
  for (const Profile& profile : source_files().profiles) files.insert(profile.family);
  for (const shipped::Packed& packed : shipped::profiles()) compiled_in.emplace(packed.family);
  EXPECT_EQ(compiled_in, files);
}

TEST(ShippedProfiles, SurviveBeingCompiledIn) {
  std::map<std::string, std::string> expected, compiled_in;
  for (Profile profile : source_files().profiles) {
    profile.file = "share/barewire/hw-profiles/" + profile.family + ".json";
    expected[profile.family] = packed(profile);
  }
  for (const Profile& profile : all_profiles(kNoSite).profiles) compiled_in[profile.family] = packed(profile);
  EXPECT_EQ(compiled_in, expected);
}

TEST(ShippedProfiles, AreJoinedByAValidExampleInTheDocumentation) {
  const std::string page = *read_file(PROFILE_SOURCE_DIR "/../docs/configuration/hw-profiles.md");
  const auto begin = page.find("```json\n") + 8;
  const Profile example = read_profile(page.substr(begin, page.find("```", begin) - begin), "example");
  EXPECT_EQ(example.capability(Attribute::vlan_8021ad).support, Support::no);
}

TEST(ShippedProfiles, AreNamedAfterTheirFamily) {
  for (const Profile& profile : source_files().profiles)
    EXPECT_EQ(std::filesystem::path(profile.file).stem(), profile.family);
}

TEST(ShippedProfiles, CoverEveryFamily) {
  std::set<std::string> families;
  for (const shipped::Packed& packed : shipped::profiles()) families.emplace(packed.family);
  for (const char* family : {"nvidia-mlx5", "nvidia-mlx5-ib", "intel-ice", "intel-i40e", "intel-ixgbe", "intel-igb",
                             "broadcom-bnxt", "marvell-octeontx2", "qlogic-qede", "chelsio-cxgb4", "netronome-nfp",
                             "pensando-ionic", "fungible-funeth", "virtio", "amazon-ena", "netdevsim"})
    EXPECT_TRUE(families.contains(family)) << family;
}

TEST(ShippedProfiles, StateEveryAttributeWithASource) {
  for (const Profile& profile : source_files().profiles)
    for (const Attribute attribute : all_attributes()) {
      const Capability& capability = profile.capability(attribute);
      EXPECT_NE(capability.source, probed_profile().capability(attribute).source)
          << profile.family << " " << attribute_name(attribute);
      EXPECT_FALSE(capability.source.empty()) << profile.family << " " << attribute_name(attribute);
    }
}

TEST(ShippedProfiles, StateEverythingElseWithASource) {
  const std::string unstated = probed_profile().retry.source;
  for (const Profile& profile : source_files().profiles) {
    const auto expect_stated = [&](const auto& fact, const char* name) {
      EXPECT_NE(fact.source, unstated) << profile.family << " " << name;
      EXPECT_FALSE(fact.source.empty()) << profile.family << " " << name;
    };
    expect_stated(profile.mac.make_effective, "mac.make_effective");
    expect_stated(profile.mac.untrusted_may_override, "mac.untrusted_may_override");
    expect_stated(profile.mac.zero_resets, "mac.zero_resets");
    expect_stated(profile.vlan.after_change, "vlan.after_change");
    expect_stated(profile.retry, "retry");
    expect_stated(profile.switchdev.capability, "switchdev");
    expect_stated(profile.dpdk_driver, "dpdk.driver");
    expect_stated(profile.dpdk_bifurcated, "dpdk.bifurcated");
    expect_stated(profile.flr_before_vfio_reuse, "dpdk.flr_before_reuse");
    expect_stated(profile.vf_count_needs_zero, "vfs.count_needs_zero");
    expect_stated(profile.pf_must_be_up, "pf.must_be_up");
    if (profile.bus == "pci") expect_stated(profile.devices, "ids");
  }
}

TEST(ShippedProfiles, GiveAReasonForEveryVerifiedNo) {
  for (const Profile& profile : source_files().profiles)
    for (const Attribute attribute : all_attributes()) {
      const Capability& capability = profile.capability(attribute);
      const bool refuses = capability.support == Support::no && capability.verified;
      EXPECT_FALSE(refuses && capability.note.empty()) << profile.family << " " << attribute_name(attribute);
    }
}

TEST(ShippedProfiles, NeverUnbindABifurcatedDriver) {
  for (const Profile& profile : source_files().profiles) {
    if (!profile.dpdk_bifurcated.value) continue;
    EXPECT_THAT(profile.vf_drivers, testing::Contains(profile.dpdk_driver.value)) << profile.family;
  }
}

TEST(ShippedProfiles, AreFoundByEachOfTheirPfIds) {
  for (const Profile& profile : source_files().profiles)
    for (const Device& device : profile.devices.value) {
      const Profile found = find_profile(device.pf, "", {"/proc/nonexistent", profile.link});
      EXPECT_EQ(found.family, profile.family) << to_string(device.pf);
      EXPECT_EQ(found.model, device.model);
    }
}

TEST(ShippedProfiles, AreFoundByEachOfTheirVfIds) {
  for (const Profile& profile : source_files().profiles)
    for (const Device& device : profile.devices.value) {
      if (!device.vf) continue;
      EXPECT_EQ(find_profile_of_vf(*device.vf, "", {"/proc/nonexistent", profile.link}).family, profile.family);
    }
}

TEST(ShippedProfiles, KnowThe82576) {
  const Profile igb = find_profile({0x8086, 0x10c9}, "igb", kNoSite);
  EXPECT_EQ(igb.description(), "igb (Intel 82576)");
  for (const Attribute attribute : {Attribute::mac, Attribute::vlan, Attribute::vlan_qos, Attribute::spoofchk,
                                    Attribute::trust, Attribute::max_tx_rate})
    EXPECT_EQ(igb.capability(attribute).support, Support::yes) << attribute_name(attribute);
  for (const Attribute attribute : {Attribute::vlan_8021ad, Attribute::min_tx_rate, Attribute::link_state,
                                    Attribute::query_rss, Attribute::node_guid})
    EXPECT_EQ(igb.capability(attribute).support, Support::no) << attribute_name(attribute);
  EXPECT_EQ(igb.mac.make_effective.value, (std::vector{MacAction::set_in_pod, MacAction::reopen, MacAction::rebind}));
  EXPECT_EQ(igb.vlan.after_change.value, VlanAction::reopen);
  EXPECT_EQ(igb.max_vfs.value, 7);
}

TEST(ShippedProfiles, KnowThatTheI350HasNoRates) {
  EXPECT_EQ(find_profile({0x8086, 0x1521}, "igb", kNoSite).capability(Attribute::max_tx_rate).support, Support::no);
}

TEST(ShippedProfiles, TellTheTwoPersonalitiesOfAConnectXApart) {
  EXPECT_EQ(find_profile({0x15b3, 0x1017}, "mlx5_core", kNoSite).family, "nvidia-mlx5");
  const Profile ib = find_profile({0x15b3, 0x1017}, "mlx5_core", {"/proc/nonexistent", LinkLayer::infiniband});
  EXPECT_EQ(ib.family, "nvidia-mlx5-ib");
  EXPECT_EQ(ib.capability(Attribute::node_guid).support, Support::yes);
}

TEST(ShippedProfiles, LetNetdevsimDoEverythingButGuids) {
  const Profile netdevsim = find_profile({}, "netdevsim", kNoSite);
  for (const Attribute attribute : all_attributes())
    EXPECT_EQ(netdevsim.capability(attribute).support, attribute == Attribute::node_guid ? Support::no : Support::yes)
        << attribute_name(attribute);
}

}  // namespace
}  // namespace barewire::hw
