// SPDX-License-Identifier: Apache-2.0
/// The ovs plugin's ADD and DEL: what pods can reach, what the rows and the result say.
#include "core/boot_id.h"
#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(OvsPluginTest, PodsOfOneVlanReachEachOtherAndNoOther) {
  attach("a", R"(,"vlan":100)" + with_address("10.9.0.1/24"));
  attach("b", R"(,"vlan":100)" + with_address("10.9.0.2/24"));
  attach("c", R"(,"vlan":200)" + with_address("10.9.0.3/24"));
  EXPECT_TRUE(reaches("a", "10.9.0.2"));
  EXPECT_FALSE(reaches("a", "10.9.0.3"));
  EXPECT_FALSE(reaches("c", "10.9.0.1"));
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(del(config(), pod(name)).ok());
  expect_database_as_before();
}

TEST_F(OvsPluginTest, DelLeavesNodeAndDatabaseAsBeforeAndASecondOneSucceeds) {
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string conf = config(R"(,"vlan":100)" + with_address("10.9.0.1/24"));
  ASSERT_TRUE(add(conf).ok());
  EXPECT_THAT(ovs->vsctl("list-ports br0"), HasSubstr("veth"));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(del(conf).ok());
  EXPECT_NODE_UNCHANGED(before);
  expect_database_as_before();
}

TEST_F(OvsPluginTest, TheResultNamesTheNodesEndThenThePods) {
  const PluginResult result =
      add(config(R"(,"mtu":1400,"runtimeConfig":{"mac":"02:00:00:00:00:11"})" + with_address("10.9.0.1/24")));
  ASSERT_TRUE(result.ok()) << result;
  const auto& interfaces = result.json.at("interfaces").as_array();
  ASSERT_EQ(interfaces.size(), 2U);
  EXPECT_THAT(interface_name(result, 0), HasSubstr("veth"));
  EXPECT_FALSE(interfaces[0].as_object().contains("sandbox"));
  EXPECT_EQ(interfaces[1].at("name"), "eth0");
  EXPECT_EQ(interfaces[1].at("mac"), "02:00:00:00:00:11");
  EXPECT_EQ(interfaces[1].at("sandbox"), "/run/netns/pod1");
  EXPECT_EQ(result.json.at("ips").at(0).at("interface"), 1);
  for (const char* where : {"", "/run/netns/pod1"})
    EXPECT_THAT(must_run_in(where, "ip link show " + interface_name(result, *where == '\0' ? 0 : 1)),
                HasSubstr("mtu 1400"));
}

TEST_F(OvsPluginTest, AnOlderVersionsResultHasItsShape) {
  std::string conf = config(with_address("10.9.0.1/24"));
  conf.replace(conf.find("1.1.0"), 5, "0.3.1");
  const PluginResult result = add(conf);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(result.json.at("cniVersion"), "0.3.1");
  EXPECT_EQ(result.json.at("ips").at(0).at("version"), "4");
}

TEST_F(OvsPluginTest, ATrunkSeesTagsAndItsNativeVlanUntagged) {
  attach("a", R"(,"vlan":100)" + with_address("10.9.0.1/24"));
  const PluginResult native =
      attach("n", R"(,"vlan":100,"trunk":[{"minID":200,"maxID":202},{"id":300}])" + with_address("10.9.0.2/24"));
  const PluginResult trunk = attach("t", "");
  EXPECT_EQ(port_column(native, "vlan_mode"), "native-untagged");
  EXPECT_EQ(port_column(native, "trunks"), "[200, 201, 202, 300]");
  EXPECT_EQ(port_column(trunk, "vlan_mode"), "trunk");
  EXPECT_EQ(port_column(trunk, "tag"), "[]");
  const std::string capture = "timeout 20 tcpdump -i eth0 -c1 -e -n 'vlan 100 and arp' 2>/dev/null";
  must_run_in("/run/netns/t", capture + " >/run/seen & sleep 1; ip netns exec a ping -c3 -i0.2 -W1 10.9.0.2; wait");
  EXPECT_THAT(read_file("/run/seen").value_or(""), HasSubstr("vlan 100"));
  EXPECT_TRUE(reaches("n", "10.9.0.1"));
}

TEST_F(OvsPluginTest, EveryVlanModeIsWritten) {
  const auto mode_of = [&](const std::string& name, const std::string& keys) {
    const PluginResult result = attach(name, keys);
    return port_column(result, "vlan_mode") + " " + port_column(result, "tag") + " " + port_column(result, "trunks") +
           " " + port_column(result, "cvlans") + " " + port_column(result, "other_config");
  };
  EXPECT_EQ(mode_of("p1", R"(,"vlan":0)"), "access 0 [] [] {}");
  EXPECT_EQ(mode_of("p2", R"(,"trunk":[{"id":5}])"), "trunk [] [5] [] {}");
  EXPECT_EQ(mode_of("p3", R"(,"vlan":7,"vlan_mode":"native-tagged","trunk":[{"id":5}])"), "native-tagged 7 [5] [] {}");
  EXPECT_EQ(mode_of("p4", R"(,"vlan":7,"vlan_mode":"dot1q-tunnel","trunk":[{"id":5}],"qinq_ethtype":"802.1q")"),
            "dot1q-tunnel 7 [] [5] {qinq-ethtype=\"802.1q\"}");
}

TEST_F(OvsPluginTest, ProtectedPodsReachOnlyOthers) {
  attach("a", R"(,"protected":true)" + with_address("10.9.0.1/24"));
  attach("b", R"(,"protected":true)" + with_address("10.9.0.2/24"));
  attach("c", with_address("10.9.0.3/24"));
  EXPECT_FALSE(reaches("a", "10.9.0.2"));
  EXPECT_TRUE(reaches("a", "10.9.0.3"));
}

TEST_F(OvsPluginTest, ThePortSaysWhoseItIs) {
  const PluginResult result = add(config(R"(,"external_ids":{"site":"lab"},"other_config":{"x":"y"})"),
                                  pod("pod1", "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web;K8S_POD_UID=u-1"));
  ASSERT_TRUE(result.ok()) << result;
  const std::string ids = port_column(result, "external_ids");
  for (const char* pair : {"owner=barewire", "network=lan", "containerID=pod1", "contIface=eth0", "contPodUid=u-1",
                           "pod=\"ns/web\"", "site=lab", "bootID=", "contNetns=\"/run/netns/pod1\""})
    EXPECT_THAT(ids, HasSubstr(pair));
  EXPECT_EQ(port_column(result, "other_config"), "{x=y}");
}

TEST_F(OvsPluginTest, OvnPortIsTheInterfacesIdOnBrInt) {
  ovs->add_bridge("br-int");
  std::string conf = config();
  conf.replace(conf.find(R"("bridge":"br0",)"), 15, "");
  for (const char* key : {"OvnPort", "ovnPort"}) {
    const PluginResult result = add(conf, pod("pod1", std::string("IgnoreUnknown=1;") + key + "=lp-1"));
    ASSERT_TRUE(result.ok()) << result;
    EXPECT_THAT(ovs->vsctl("get Interface " + interface_name(result, 0) + " external_ids"), HasSubstr("iface-id=lp-1"));
    EXPECT_THAT(ovs->vsctl("list-ports br-int"), HasSubstr(interface_name(result, 0)));
    EXPECT_TRUE(del(conf).ok());
  }
}

TEST_F(OvsPluginTest, AFakeBridgeIsAVlanOfItsParent) {
  ovs->vsctl("add-br tenant br0 100");
  const std::string database = ovs->configuration();
  std::string conf = config(with_address("10.9.0.1/24"));
  conf.replace(conf.find(R"("bridge":"br0")"), 14, R"("bridge":"tenant")");
  const PluginResult result = add(conf);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_THAT(ovs->vsctl("list-ports tenant"), HasSubstr(interface_name(result, 0)));
  EXPECT_EQ("100", port_column(result, "tag"));
  attach("peer", R"(,"vlan":100)" + with_address("10.9.0.2/24"));
  EXPECT_TRUE(reaches("pod1", "10.9.0.2"));
  EXPECT_TRUE(runner_.check("ovs", with_previous(conf, result)).ok())
      << runner_.check("ovs", with_previous(conf, result));
  EXPECT_TRUE(runner_.call("STATUS", "ovs", conf).ok());
  make_netns("pod2");
  const PluginResult refused = add(and_key(conf, "vlan", "200"), pod("pod2"));
  EXPECT_EQ(7, refused.code()) << refused;
  EXPECT_THAT(refused.msg(), HasSubstr("VLAN 100 of bridge br0"));
  EXPECT_TRUE(del(config(), pod("peer")).ok());
  EXPECT_TRUE(del(conf).ok());
  EXPECT_EQ(database, ovs->configuration());
}

TEST_F(OvsPluginTest, TheMacIsTakenFromEachSourceInTurn) {
  const auto mac = [&](const std::string& keys, const std::string& args) {
    const PluginResult result = add(config(keys), pod("pod1", args));
    EXPECT_TRUE(result.ok()) << result;
    EXPECT_TRUE(del(config(keys)).ok());
    return std::string(result.json.at("interfaces").at(1).at("mac").as_string());
  };
  const std::string top = R"(,"mac":"02:00:00:00:00:01")", cni = R"(,"args":{"cni":{"MAC":"02:00:00:00:00:02"}})",
                    runtime = R"(,"runtimeConfig":{"mac":"02:00:00:00:00:04"})", args = "MAC=02:00:00:00:00:03";
  EXPECT_EQ(mac(top, ""), "02:00:00:00:00:01");
  EXPECT_EQ(mac(top + cni, ""), "02:00:00:00:00:02");
  EXPECT_EQ(mac(top + cni, args), "02:00:00:00:00:03");
  EXPECT_EQ(mac(top + cni + runtime, args), "02:00:00:00:00:04");
  EXPECT_EQ(mac(with_address("10.9.0.1/24"), ""), "0a:58:0a:09:00:01");
}

TEST_F(OvsPluginTest, TheRequestedOpenFlowPortIsGiven) {
  const PluginResult result = add(config(R"(,"ofport_request":4711)"));
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(ovs->vsctl("get Interface " + interface_name(result, 0) + " ofport"), "4711\n");
}

TEST_F(OvsPluginTest, TheNodesFileGivesWhatTheNetworkLeavesOut) {
  write_text("/run/ovs.conf",
             fmt::format(R"({{"bridge":"nowhere","socket_file":"unix:{}","vlan":300,"mtu":1300}})", ovs->socket()));
  const PluginResult result = add(
      R"({"cniVersion":"1.0.0","name":"lan","type":"ovs","bridge":"br0","VLAN":301,"configuration_path":"/run/ovs.conf"})");
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(port_column(result, "tag"), "301");
  EXPECT_THAT(must_run("ip link show " + interface_name(result, 0)), HasSubstr("mtu 1300"));
}

TEST_F(OvsPluginTest, AddressesAreAnnounced) {
  attach("listener", "");
  must_run("ip netns exec listener ip link set eth0 up");
  const std::string conf = config(with_address("10.9.0.7/24"));
  make_netns("speaker");
  const Command speak = runner_.command("ADD", "ovs", conf, pod("speaker"));
  ChildProcess listener(Command{
      .program = "timeout",
      .arguments = {"20", "tcpdump", "-i", "eth0", "-c1", "-n", "--immediate-mode", "arp and arp[24:4] = 0x0a090007"},
      .argv0 = {},
      .environment = {},
      .stdin_bytes = {},
      .netns = "/run/netns/listener"});
  must_run("sleep 2");
  ASSERT_TRUE(run(speak).ok());
  EXPECT_THAT(listener.wait(std::chrono::seconds(25)).out, HasSubstr("10.9.0.7"));
}

TEST_F(OvsPluginTest, DelFindsThePortByItsOwnerWhenTheRecordAndTheNetnsAreGone) {
  ASSERT_TRUE(add(config()).ok());
  must_run("rm -r /run/barewire");
  delete_netns("pod1");
  CniCall call = pod("pod1");
  call.netns.clear();
  EXPECT_TRUE(del(config(R"(,"bridge":"another","vlan":"nonsense")"), call).ok());
  expect_database_as_before();
}

TEST_F(OvsPluginTest, DelTakesDownWhatOvsCniAttached) {
  must_run("ip link add vethpeer type veth peer name eth0 netns pod1");
  ovs->vsctl(
      "add-port br0 vethpeer -- set Port vethpeer external_ids:owner=ovs-cni.network.kubevirt.io "
      "external_ids:contIface=eth0 external_ids:contNetns='\"/run/netns/pod1\"'");
  must_run("mkdir -p /var/lib/cni/ovs-cni/cache");
  write_text(
      "/var/lib/cni/ovs-cni/cache/pod1-eth0",
      fmt::format(R"({{"Netconf":{{"socket_file":"unix:{}"}},"OrigIfName":"","UserspaceMode":false}})", ovs->socket()));
  EXPECT_TRUE(del(R"({"cniVersion":"1.0.0","name":"lan","type":"ovs","bridge":"br0"})").ok());
  expect_database_as_before();
  EXPECT_FALSE(run_in("/run/netns/pod1", "ip link show eth0").ok());
  EXPECT_FALSE(read_file("/var/lib/cni/ovs-cni/cache/pod1-eth0"));
}

TEST_F(OvsPluginTest, PortsOfAnEarlierBootGoWithTheNextAdd) {
  ovs->vsctl(
      "add-port br0 vethstale -- set Port vethstale external_ids:owner=barewire external_ids:bootID=earlier "
      "-- add-port br0 foreign -- set Port foreign external_ids:owner=someone");
  ASSERT_TRUE(add(config()).ok());
  EXPECT_THAT(ovs->vsctl("list-ports br0"), Not(HasSubstr("vethstale")));
  EXPECT_THAT(ovs->vsctl("list-ports br0"), HasSubstr("foreign"));
}

/// As ovs-cni's ADD does, but not by the error alone, which a slow VF shows too.
TEST_F(OvsPluginTest, PortsInErrorGoWithTheNextAddWhereTheirPodIsGone) {
  const auto add_failed = [this](const std::string& name, const std::string& ids) {
    ovs->vsctl("--no-wait add-port br0 " + name + " -- set Port " + name + " " + ids);
    ovs->vsctl("wait-until Interface " + name + " 'error!=[]'");
  };
  const std::string peer = "external_ids:owner=ovs-cni.network.kubevirt.io external_ids:contIface=net1 ";
  const std::string own =
      "external_ids:owner=barewire external_ids:network=lan external_ids:containerID=other "
      "external_ids:contIface=net1 external_ids:bootID=" +
      current_boot_id() + " ";
  add_failed("peerdead", peer + "external_ids:contNetns=/run/netns/gone");
  add_failed("peernone", peer);
  add_failed("peerlive", peer + "external_ids:contNetns=/run/netns/pod1");
  add_failed("own", own + "external_ids:contNetns=/run/netns/gone");
  add_failed("foreign", "external_ids:contNetns=/run/netns/gone");
  ASSERT_TRUE(add(config()).ok());
  const std::string ports = ovs->vsctl("list-ports br0");
  for (const char* gone : {"peerdead", "peernone"}) EXPECT_THAT(ports, Not(HasSubstr(gone)));
  for (const char* kept : {"peerlive", "own", "foreign"}) EXPECT_THAT(ports, HasSubstr(kept));
}

}  // namespace
}  // namespace barewire::test
