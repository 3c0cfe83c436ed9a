// SPDX-License-Identifier: Apache-2.0
/// What the ovs plugin refuses, and what CHECK, STATUS and GC say.
#include <ostream>

#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Refusal {
  const char* name;
  const char* keys;  ///< over those of the network
  int code;
  const char* words;  ///< in msg
  friend std::ostream& operator<<(std::ostream& out, const Refusal& refusal) { return out << refusal.name; }
};

class OvsPluginRefuses : public OvsPluginTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(OvsPluginRefuses, WithAClearErrorAndNothingChanged) {
  ovs->vsctl("add-port br0 taken -- set Interface taken type=internal ofport_request=9");
  before_ = ovs->configuration();
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = add(config(GetParam().keys));
  EXPECT_EQ(result.code(), GetParam().code) << result;
  EXPECT_THAT(result.msg(), HasSubstr(GetParam().words));
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_FALSE(run_in("/run/netns/pod1", "ip link show eth0").ok());
  expect_database_as_before();
  EXPECT_TRUE(del(config(GetParam().keys)).ok()) << "the DEL a runtime sends after a failed ADD";
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, OvsPluginRefuses,
    ::testing::Values(
        Refusal{"a_bridge_that_is_not_there", R"(,"bridge":"nowhere")", 101, "failed to find bridge nowhere"},
        Refusal{"no_bridge_named", R"(,"bridge":null)", 7, "\"bridge\" is missing"},
        Refusal{"a_vlan_out_of_range", R"(,"vlan":4096)", 7, "\"vlan\" is 4096"},
        Refusal{"a_vlan_that_is_text", R"(,"vlan":"100")", 7, "\"vlan\" is \"100\""},
        Refusal{"an_empty_trunk", R"(,"trunk":[])", 7, "\"trunk\""},
        Refusal{"a_trunk_entry_without_an_id", R"(,"trunk":[{"id":1},{}])", 7, "trunk[1]"},
        Refusal{"a_trunk_range_that_runs_backwards", R"(,"trunk":[{"minID":9,"maxID":3}])", 7, "trunk[0]"},
        Refusal{"half_a_trunk_range", R"(,"trunk":[{"minID":9}])", 7, "trunk[0]"},
        Refusal{"a_trunk_vlan_out_of_range", R"(,"trunk":[{"id":5000}])", 7, "trunk[0].id"},
        Refusal{"an_unknown_vlan_mode", R"(,"vlan":1,"vlan_mode":"qinq")", 7, "vlan_mode"},
        Refusal{"a_tunnel_without_a_vlan", R"(,"vlan_mode":"dot1q-tunnel")", 7, "vlan_mode"},
        Refusal{"an_access_port_with_a_trunk", R"(,"vlan":1,"vlan_mode":"access","trunk":[{"id":2}])", 7, "vlan_mode"},
        Refusal{"an_mtu_too_small", R"(,"mtu":60)", 7, "\"mtu\" is 60"},
        Refusal{"an_ofport_out_of_range", R"(,"ofport_request":65280)", 7, "ofport_request"},
        Refusal{"an_ofport_in_use", R"(,"ofport_request":9)", 102, "another port has it"},
        Refusal{"an_interface_type_the_switch_does_not_know", R"(,"interface_type":"teapot")", 108, "rejected it"},
        Refusal{"a_multicast_mac", R"(,"runtimeConfig":{"mac":"01:00:5e:00:00:01"})", 7, "unicast MAC"},
        Refusal{"an_owner_written_by_hand", R"(,"external_ids":{"owner":"me"})", 7, "owner"},
        Refusal{"a_device_that_is_no_vf", R"(,"deviceID":"0000:01:00.1")", 101, "is not a VF of this node"},
        Refusal{"a_device_that_is_no_address", R"(,"deviceID":"eth7")", 7, "deviceID"},
        Refusal{"a_device_behind_a_socket", R"(,"deviceID":"0000:01:00.1","interface_type":"dpdkvhostuser")", 7,
                "interface_type"},
        Refusal{"a_dpdk_port", R"(,"interface_type":"dpdk")", 2, "no pod can be behind"},
        Refusal{"a_tunnel_of_unknown_type", R"(,"tunnel":{"type":"ipip","remotes":[]})", 7, "tunnel.type"},
        Refusal{"a_tunnel_to_nowhere", R"(,"tunnel":{"type":"gre","remotes":["here"]})", 7, "tunnel.remotes[0]"},
        Refusal{"a_vni_too_large", R"(,"tunnel":{"type":"vxlan","remotes":[],"key":16777216})", 7, "tunnel.key"},
        Refusal{"a_port_for_gre", R"(,"tunnel":{"type":"gre","remotes":[],"dst_port":5})", 7, "tunnel.dst_port"},
        Refusal{"an_unknown_shaper", R"(,"qos":{"type":"red","max_rate":1})", 7, "qos.type"},
        Refusal{"a_shaper_without_a_rate", R"(,"qos":{})", 7, "\"qos\""},
        Refusal{"a_queue_without_a_number", R"(,"qos":{"queues":[{}]})", 7, "qos.queues[0].id"},
        Refusal{"a_policer_without_a_rate", R"(,"ingress_policing":{})", 7, "ingress_policing"},
        Refusal{"a_bandwidth_that_is_text", R"(,"runtimeConfig":{"bandwidth":{"ingressRate":"1M"}})", 7, "ingressRate"},
        Refusal{"a_socket_nobody_listens_on", R"(,"socket_file":"/run/nobody.sock")", 11, "/run/nobody.sock"},
        Refusal{"a_socket_of_unknown_kind", R"(,"socket_file":"http:1.2.3.4")", 7, "socket_file"},
        Refusal{"a_file_that_is_not_there", R"(,"configuration_path":"/run/none.conf")", 7, "configuration_path"},
        Refusal{"an_ipam_that_fails", R"(,"ipam":{"type":"static","addresses":[{"address":"10.9.0.1"}]})", 7,
                "address"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(OvsPluginTest, AnIpamPluginThatIsNotInstalledIsRefusedBeforeAnythingIsTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = add(config(R"(,"ipam":{"type":"nowhere"})"));
  EXPECT_EQ(result.code(), 106) << result;
  EXPECT_THAT(result.msg(), HasSubstr("\"nowhere\""));
  EXPECT_NODE_UNCHANGED(before);
  expect_database_as_before();
}

TEST_F(OvsPluginTest, AnInterfaceThatIsThereAlreadyIsRefused) {
  must_run_in("/run/netns/pod1", "ip link add eth0 type veth peer name other");
  EXPECT_EQ(add(config()).code(), 102);
  expect_database_as_before();
}

TEST_F(OvsPluginTest, ASecondAddIsRefusedAndTheFirstStays) {
  ASSERT_TRUE(add(config(R"(,"vlan":5)")).ok());
  const std::string attached = ovs->configuration();
  EXPECT_EQ(add(config(R"(,"vlan":6)")).code(), 102);
  EXPECT_EQ(ovs->configuration(), attached);
}

TEST_F(OvsPluginTest, CheckNamesEveryDifference) {
  const std::string conf = config(R"(,"vlan":100,"mtu":1400,"protected":true)" + with_address("10.9.0.1/24"));
  const PluginResult result = add(conf);
  ASSERT_TRUE(result.ok()) << result;
  const std::string whole = with_previous(conf, result), port = interface_name(result, 0);
  EXPECT_TRUE(runner_.check("ovs", whole, pod("pod1")).ok()) << runner_.check("ovs", whole, pod("pod1"));
  ovs->vsctl("set Port " + port + " tag=101 protected=false");
  must_run_in("/run/netns/pod1", "ip addr flush dev eth0; ip link set eth0 down mtu 1300");
  const PluginResult drifted = runner_.check("ovs", whole, pod("pod1"));
  EXPECT_EQ(drifted.code(), 104);
  EXPECT_THAT(drifted.msg(), AllOf(HasSubstr("Port.tag is 101, expected 100"), HasSubstr("Port.protected is false"),
                                   HasSubstr("address 10.9.0.1/24 is missing"), HasSubstr("MTU of eth0 is 1300"),
                                   HasSubstr("is down")));
}

TEST_F(OvsPluginTest, CheckSeesAPortThatIsGoneOrOnAnotherBridge) {
  const PluginResult result = add(config());
  ASSERT_TRUE(result.ok()) << result;
  ovs->add_bridge("br1");
  const std::string port = interface_name(result, 0), whole = with_previous(config(), result);
  const std::string ids =
      "external_ids:owner=barewire external_ids:network=lan external_ids:containerID=pod1 "
      "external_ids:contIface=eth0 vlan_mode=trunk";
  ovs->vsctl(fmt::format("del-port {0} -- add-port br1 {0} -- set Port {0} {1}", port, ids));
  EXPECT_THAT(runner_.check("ovs", whole, pod("pod1")).msg(), HasSubstr("is on bridge br1, expected br0"));
  ovs->vsctl("del-port " + port);
  EXPECT_THAT(runner_.check("ovs", whole, pod("pod1")).msg(), HasSubstr("it has no port"));
}

TEST_F(OvsPluginTest, CheckReportsWhatTheSwitchReports) {
  const PluginResult result = add(config());
  ASSERT_TRUE(result.ok()) << result;
  must_run("ip link del " + interface_name(result, 0));
  ovs->kill_vswitchd();
  ovs->start_vswitchd();
  ovs->vsctl("set Port " + interface_name(result, 0) + " external_ids:touched=1");  // waits for the switch
  EXPECT_THAT(runner_.check("ovs", with_previous(config(), result), pod("pod1")).msg(),
              AllOf(HasSubstr("ovs-vswitchd reports"), HasSubstr("eth0 is missing"), HasSubstr("missing on the node")));
}

TEST_F(OvsPluginTest, StatusIsReadyOnlyWithDatabaseBridgeAndSwitch) {
  EXPECT_TRUE(runner_.status("ovs", config()).ok()) << runner_.status("ovs", config());
  EXPECT_EQ(runner_.status("ovs", config(R"(,"bridge":"nowhere")")).code(), 50);
  ovs->kill_vswitchd();
  EXPECT_EQ(runner_.status("ovs", config()).code(), 50);
  ovs->start_vswitchd();
  ovs->vsctl("set Open_vSwitch . external_ids:touched=1");  // waits for the switch
  EXPECT_TRUE(runner_.status("ovs", config()).ok());
  ovs->kill_ovsdb();
  const PluginResult down = runner_.status("ovs", config());
  EXPECT_EQ(down.code(), 50);
  EXPECT_THAT(down.msg(), HasSubstr(ovs->socket()));
}

TEST_F(OvsPluginTest, StatusLooksAtTheVfToo) {
  const PluginResult gone = runner_.status("ovs", config(R"(,"deviceID":"0000:ff:1f.7")"));
  EXPECT_EQ(gone.code(), 50) << gone;
  EXPECT_THAT(gone.msg(), HasSubstr("0000:ff:1f.7 is not a VF of this node"));
}

TEST_F(OvsPluginTest, GcTakesDownWhatIsNotListedAndNothingElse) {
  const std::string stays = interface_name(attach("a", ""), 0), goes = interface_name(attach("b", ""), 0);
  const std::string unrecorded = interface_name(attach("c", ""), 0);
  must_run("rm /run/barewire/attachments/lan/c@eth0.ovs.json");
  make_netns("d");
  std::string other = config();
  other.replace(other.find("\"lan\""), 5, "\"wan\"");
  const PluginResult of_other = add(other, pod("d"));
  ASSERT_TRUE(of_other.ok()) << of_other;
  EXPECT_TRUE(runner_.gc("ovs", config()).ok()) << "without a list nothing happens";
  EXPECT_THAT(ovs->vsctl("list-ports br0"), AllOf(HasSubstr(goes), HasSubstr(unrecorded)));
  const PluginResult gc =
      runner_.gc("ovs", and_key(config(), "cni.dev/valid-attachments", R"([{"containerID":"a","ifname":"eth0"}])"));
  EXPECT_TRUE(gc.ok()) << gc;
  EXPECT_THAT(ovs->vsctl("list-ports br0"), AllOf(HasSubstr(stays), HasSubstr(interface_name(of_other, 0)),
                                                  Not(HasSubstr(goes)), Not(HasSubstr(unrecorded))));
  EXPECT_FALSE(run_in("", "ip link show " + unrecorded).ok());
}

}  // namespace
}  // namespace barewire::test
