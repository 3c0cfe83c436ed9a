// SPDX-License-Identifier: Apache-2.0
/// Veth pairs that the userspace datapath drives in other ways than by the kernel's sockets: through DPDK's af_packet
/// driver, and through AF_XDP.
#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class AfPacketTest : public OvsPluginTest {
 protected:
  AfPacketTest() { datapath = OvsSandbox::Datapath::dpdk; }
};

constexpr const char* kPing = "for i in $(seq 60); do ping -c1 -W1 -n 10.9.0.2 && exit 0; done; exit 1";

TEST_F(AfPacketTest, PodsOfOneVlanExchangePacketsThroughDpdkAndNothingStays) {
  const std::string keys = R"(,"interface_type":"af_packet","vlan":100)";
  make_netns("a");
  make_netns("b");
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string conf = config(keys + with_address("10.9.0.1/24"));
  const PluginResult a = add(conf, pod("a"));
  ASSERT_TRUE(a.ok()) << a;
  const PluginResult b = add(config(keys + with_address("10.9.0.2/24")), pod("b"));
  ASSERT_TRUE(b.ok()) << b;
  const std::string port = interface_name(a, 0);
  EXPECT_EQ(ovs->vsctl("get Interface " + port + " type"), "dpdk\n");
  EXPECT_THAT(ovs->vsctl("get Interface " + port + " options"), HasSubstr("net_af_packet_" + port + ",iface=" + port));
  EXPECT_TRUE(run_in("/run/netns/a", kPing).ok());
  const PluginResult checked = runner_.check("ovs", with_previous(conf, a), pod("a"));
  EXPECT_TRUE(checked.ok()) << checked;
  for (const char* name : {"a", "b"}) EXPECT_TRUE(del(config(keys), pod(name)).ok());
  expect_database_as_before();
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(AfPacketTest, ADeviceThatDpdkCannotDriveIsRefusedByTheSwitchAndNothingStays) {
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = add(config(R"(,"interface_type":"dpdk","deviceID":"0000:01:00.1")"));
  EXPECT_EQ(result.code(), 101) << result;
  EXPECT_THAT(result.msg(), HasSubstr("is not a VF of this node"));
  expect_database_as_before();
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(OvsPluginTest, ASwitchWithoutDpdkRefusesAfPacketPortsAndStatusSaysSo) {
  const std::string conf = config(R"(,"interface_type":"af_packet")");
  const PluginResult result = add(conf);
  EXPECT_EQ(result.code(), 101) << result;
  EXPECT_THAT(result.msg(), HasSubstr("runs without DPDK: af_packet ports need it"));
  EXPECT_EQ(runner_.status("ovs", conf).code(), 50);
  expect_database_as_before();
}

TEST_F(OvsPluginTest, PodsExchangePacketsThroughAfXdpWhereTheSwitchIsBuiltWithIt) {
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string keys = R"(,"interface_type":"afxdp")";
  const bool is_built = ovs->vsctl("get Open_vSwitch . iface_types").find("afxdp") != std::string::npos;
  const PluginResult a = add(config(keys + with_address("10.9.0.1/24")));
  if (!is_built) {
    EXPECT_EQ(a.code(), 101) << a;
    EXPECT_THAT(a.msg(), HasSubstr("was built without interfaces of type afxdp"));
    expect_database_as_before();
    EXPECT_NODE_UNCHANGED(before);
    return;
  }
  ASSERT_TRUE(a.ok()) << a;
  attach("b", keys + with_address("10.9.0.2/24"));
  EXPECT_TRUE(run_in("/run/netns/pod1", kPing).ok());
  for (const char* name : {"pod1", "b"}) EXPECT_TRUE(del(config(keys), pod(name)).ok());
  expect_database_as_before();
}

}  // namespace
}  // namespace barewire::test
