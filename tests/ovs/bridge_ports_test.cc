// SPDX-License-Identifier: Apache-2.0
#include "device-manager/kubelet/bridge_ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/ovs_sandbox.h"

namespace barewire::kubelet {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class BridgePorts : public test::OvsTest {
 protected:
  static inventory::Pool pool() {
    return inventory::parse_pools(R"({"pools":{"lan-a":{"bridge":"br0","ports":3}}})", "pools", "example.com")
        .pools.at(0);
  }
  std::string obstacle() const { return find_bridge_obstacle(pool(), ovs->socket()).value_or(""); }
};

TEST_F(BridgePorts, AreThereWhileBridgeAndSwitchAre) {
  EXPECT_THAT(obstacle(), HasSubstr("br0"));
  ovs->add_bridge("br0");
  EXPECT_EQ(obstacle(), "");
  ovs->kill_vswitchd();
  EXPECT_NE(obstacle(), "");
  ovs->start_vswitchd();
  EXPECT_EQ(obstacle(), "");
  ovs->kill_ovsdb();
  EXPECT_NE(obstacle(), "");
}

TEST(BridgePortsOfAPool, AreCountedAndNamed) {
  const auto config = inventory::parse_pools(
      R"({"pools":{"lan-a":{"bridge":"br0","ports":3},"no":{"bridge":"br1","driver":"netdev"},"odd":{"vfs":"e#0","ports":2}}})",
      "pools", "example.com");
  ASSERT_THAT(config.pools, SizeIs(1));
  EXPECT_THAT(config.problems, SizeIs(2));
  const auto& pool = config.pools[0];
  EXPECT_THAT(list_ports(pool), SizeIs(3));
  EXPECT_EQ(grant_ports(pool, {"br0-0", "br0-2"}).environment.at("BAREWIRE_BRIDGE_LAN_A"), "br0");
  EXPECT_THROW(grant_ports(pool, {"br0-3"}), Error);
}

}  // namespace
}  // namespace barewire::kubelet
