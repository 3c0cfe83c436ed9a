// SPDX-License-Identifier: Apache-2.0
#include "core/vf/representor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sysfs.h"

namespace barewire::vf {
namespace {

TEST(PortName, OfAVfOfThisPf) {
  EXPECT_EQ(3U, parse_vf_port_name("pf0vf3", 0));
  EXPECT_EQ(127U, parse_vf_port_name("c0pf1vf127", 1));
  EXPECT_EQ(7U, parse_vf_port_name("7", 0));
}

TEST(PortName, OfAnythingElseIsNone) {
  for (const char* name : {"", "p0", "pf0", "pf0sf3", "pf1vf3", "c1pf0vf3", "pf0vf", "pf0vf3x", "vf3", "pf0vf-1"})
    EXPECT_EQ(std::nullopt, parse_vf_port_name(name, 0)) << name;
}

/// Without devlink: the kernel of this test knows no such device.
class ByPortName : public ::testing::Test {
 protected:
  void add(const std::string& netdev, const std::string& port, const std::string& switch_id) const {
    tree_.write("class/net/" + netdev + "/phys_switch_id", switch_id);
    tree_.write("class/net/" + netdev + "/phys_port_name", port);
  }
  std::string find(std::uint32_t vf, std::uint16_t pf = 0) const {
    const auto found = find_representor(kernel::Sysfs(tree_.path()), {"pci", "0000:99:00.0"}, "ens1f0", pf, vf);
    return found ? found->netdev : "none";
  }
  test::PrivateDirectory tree_;
};

TEST_F(ByPortName, FindsTheOneOfTheSameSwitchWhateverTheOrderOfNames) {
  add("ens1f0", "p0", "aa01");
  add("eth9", "pf0vf0", "aa01");
  add("eth2", "pf0vf1", "aa01");
  add("eth1", "pf0vf10", "aa01");
  add("eth0", "pf0vf1", "bb02");  // of another card
  add("eth5", "pf1vf1", "aa01");  // of the card's other PF
  EXPECT_EQ("eth9", find(0));
  EXPECT_EQ("eth2", find(1));
  EXPECT_EQ("eth1", find(10));
  EXPECT_EQ("eth5", find(1, 1));
  EXPECT_EQ("none", find(2));
}

TEST_F(ByPortName, FindsNoneWhereTwoClaimToBeItOrThePfIsNoSwitch) {
  add("ens1f0", "p0", "aa01");
  add("eth1", "pf0vf1", "aa01");
  add("eth2", "c0pf0vf1", "aa01");
  EXPECT_EQ("none", find(1));
  add("ens1f0", "p0", "");
  EXPECT_EQ("none", find(1));
}

}  // namespace
}  // namespace barewire::vf
