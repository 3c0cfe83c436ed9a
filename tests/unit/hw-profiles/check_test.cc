// SPDX-License-Identifier: Apache-2.0
#include "hw-profiles/check.h"

#include <gmock/gmock.h>

#include "hw-profiles/loader.h"
#include "tests/unit/hw-profiles/profile_test_support.h"

namespace barewire::hw {
namespace {

using testing::HasSubstr;

const Target kTarget{"0000:01:00.0", 2, false, false};

Profile known(PciId id, const std::string& driver) {
  return find_profile(id, driver, {"/proc/nonexistent", {}});
}
Profile igb() {
  return known({0x8086, 0x10c9}, "igb");
}

std::string refusal(const Profile& profile, const std::vector<Requested>& requested, const Target& target = kTarget) {
  return error_of([&] { check_supported(profile, requested, target); });
}

TEST(CheckSupported, NamesAttributeVfDriverAndReason) {
  EXPECT_EQ(refusal(igb(), {{Attribute::link_state, "", "enable", {}}}),
            "103: setting link_state on 0000:01:00.0 vf 2 is not supported by igb (Intel 82576): the driver has no "
            "ndo_set_vf_link_state");
}

TEST(CheckSupported, UsesTheKeyOfTheConfig) {
  EXPECT_THAT(refusal(igb(), {{Attribute::vlan_8021ad, "vlanProto 802.1ad", "802.1ad", {}}}),
              HasSubstr("setting vlanProto 802.1ad on 0000:01:00.0 vf 2 is not supported"));
}

TEST(CheckSupported, NamesAllThatIsNotSupported) {
  const std::string text = refusal(igb(), {{Attribute::trust, "", "on", {}},
                                           {Attribute::link_state, "", "auto", {}},
                                           {Attribute::min_tx_rate, "", "", 10}});
  EXPECT_THAT(text, HasSubstr("setting link_state on"));
  EXPECT_THAT(text, HasSubstr("; setting min_tx_rate on"));
  EXPECT_THAT(text, testing::Not(HasSubstr("trust")));
}

TEST(CheckSupported, HintsAtKeyProfileAndSource) {
  try {
    check_supported(igb(), {{Attribute::link_state, "", "enable", {}}}, kTarget);
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.hint(), HasSubstr("change or remove \"link_state\""));
    EXPECT_THAT(error.hint(), HasSubstr("share/barewire/hw-profiles/intel-igb.json into /etc/barewire/hw-profiles"));
    EXPECT_THAT(error.hint(), HasSubstr("do_setvfinfo"));
  }
}

TEST(CheckSupported, SendsTheReaderToTheSitesOwnFile) {
  Profile profile = igb();
  profile.file = "/etc/barewire/hw-profiles/ours.json";
  try {
    check_supported(profile, {{Attribute::link_state, "", "enable", {}}}, kTarget);
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.hint(), HasSubstr("after all, correct /etc/barewire/hw-profiles/ours.json (what it says"));
  }
}

TEST(CheckSupported, AcceptsWhatTheNicCan) {
  EXPECT_EQ(refusal(igb(), {{Attribute::mac, "", "02:00:00:00:00:01", {}},
                            {Attribute::vlan, "", "100", 100},
                            {Attribute::vlan_qos, "", "5", 5},
                            {Attribute::spoofchk, "", "off", {}},
                            {Attribute::trust, "", "on", {}},
                            {Attribute::max_tx_rate, "", "500", 500}}),
            "");
}

TEST(CheckSupported, LetsUnknownBeTried) {
  const Profile unknown = known({0x1234, 0x5678}, "mystery");
  for (const Attribute attribute : all_attributes()) EXPECT_EQ(refusal(unknown, {{attribute, "", "1", 1}}), "");
}

TEST(CheckSupported, RefusesNothingOnHearsay) {
  Profile profile = igb();
  profile.attributes[static_cast<std::size_t>(Attribute::link_state)].verified = false;
  EXPECT_EQ(refusal(profile, {{Attribute::link_state, "", "enable", {}}}), "");
}

TEST(CheckSupported, ComparesWithTheLargestAndSmallestValue) {
  EXPECT_EQ(
      refusal(igb(), {{Attribute::max_tx_rate, "", "2000", 2000}}),
      "103: setting max_tx_rate on 0000:01:00.0 vf 2 to 2000 Mb/s is more than igb (Intel 82576) accepts, 1000 Mb/s: "
      "at most the link speed, and only while the PF has link");
  EXPECT_THAT(refusal(known({0x8086, 0x1563}, "ixgbe"), {{Attribute::max_tx_rate, "", "5", 5}}),
              HasSubstr("to 5 Mb/s is less than ixgbe (Intel X550T) accepts, 11 Mb/s"));
}

TEST(CheckSupported, TakesAZeroForNothingWhereItsCompanionWorks) {
  EXPECT_EQ(refusal(igb(), {{Attribute::min_tx_rate, "", "0", 0}}), "");
  EXPECT_EQ(refusal(igb(), {{Attribute::max_tx_rate, "", "0", 0}}), "");
  EXPECT_EQ(refusal(known({0x1dd8, 0x1002}, "ionic"), {{Attribute::vlan_qos, "", "0", 0}}), "");
  EXPECT_THAT(refusal(known({0x177d, 0xa063}, "rvu_nicpf"), {{Attribute::min_tx_rate, "", "0", 0}}),
              HasSubstr("is not supported by rvu_nicpf"));
}

TEST(CheckSupported, ComparesWithTheValuesThatWork) {
  const Profile ixgbe = known({0x8086, 0x1563}, "ixgbe");
  EXPECT_EQ(refusal(ixgbe, {{Attribute::link_state, "", "disable", {}}}), "");
  EXPECT_THAT(refusal(ixgbe, {{Attribute::link_state, "", "enable", {}}}),
              HasSubstr("to \"enable\" is not supported by ixgbe (Intel X550T), which takes auto or disable"));
}

TEST(CheckSupported, WantsTrustWhereItHasNoEffectWithout) {
  const Profile ice = known({0x8086, 0x1592}, "ice");
  EXPECT_THAT(
      refusal(ice, {{Attribute::promisc, "", "on", {}}}),
      HasSubstr(
          "setting promisc on 0000:01:00.0 vf 2 has no effect with ice (Intel E810-C QSFP) unless the VF is trusted"));
  EXPECT_EQ(refusal(ice, {{Attribute::promisc, "", "off", {}}}), "");
  EXPECT_EQ(refusal(ice, {{Attribute::promisc, "", "on", {}}}, {"0000:01:00.0", 2, true, false}), "");
}

TEST(CheckSupported, KnowsWhatSwitchdevTakesAway) {
  const Profile mlx5 = known({0x15b3, 0x1017}, "mlx5_core");
  EXPECT_EQ(refusal(mlx5, {{Attribute::vlan, "", "100", 100}}), "");
  const Target switchdev{"0000:01:00.0", 2, false, true};
  EXPECT_THAT(refusal(mlx5, {{Attribute::vlan, "", "100", 100}}, switchdev),
              HasSubstr("is not supported by mlx5_core (NVIDIA ConnectX-5) in switchdev mode"));
  EXPECT_EQ(refusal(mlx5, {{Attribute::mac, "", "02:00:00:00:00:01", {}}}, switchdev), "");
}

}  // namespace
}  // namespace barewire::hw
