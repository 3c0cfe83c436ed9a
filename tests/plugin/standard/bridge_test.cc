// SPDX-License-Identifier: Apache-2.0
/// The bridge plugin on the real kernel: every key, right and wrong, traffic, CHECK, DEL, GC. Its VLANs:
/// tests/lab/standard.
#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kIpam = R"("ipam":{"type":"host-local","subnet":"10.22.0.0/16"})";

class Bridge : public StandardTest {
 protected:
  static std::string config(const std::string& keys, const std::string& version = "1.1.0") {
    return fmt::format(R"({{"cniVersion":"{}","name":"mynet","type":"bridge",{}}})", version, keys);
  }
  PluginResult add(const std::string& text, const CniCall& call = {}) {
    const PluginResult result = runner_.add("bridge", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    return result;
  }
  static std::string host_interface(const PluginResult& result) {
    return std::string(result.json.at("interfaces").as_array().at(1).at("name").as_string());
  }
};

TEST_F(Bridge, GivesThePodAnAddressAGatewayAndTheOutsideInTheOldestShape) {
  make_outside();
  const std::string text =
      R"({"cniVersion":"0.2.0","name":"mynet","type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.22.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}})";
  const PluginResult result = add(text);
  EXPECT_EQ(boost::json::serialize(result.json.at("ip4")),
            R"({"ip":"10.22.0.2/16","gateway":"10.22.0.1","routes":[{"dst":"0.0.0.0/0"}]})");
  EXPECT_TRUE(reaches(pod_, "10.22.0.1"));
  EXPECT_TRUE(reaches(pod_, "192.0.2.2")) << "the outside has no route back: masquerading is what makes this work";
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("barewire")));
}

TEST_F(Bridge, IsTheDefaultGatewayWhenAsked) {
  make_outside();
  const std::string text =
      R"({"cniVersion":"0.3.0","name":"mynet","type":"bridge","bridge":"mynet0","isDefaultGateway":true,"forceAddress":false,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","subnet":"10.10.0.0/16"}})";
  const PluginResult result = add(text);
  EXPECT_THAT(must_run_in(pod_, "ip route"), HasSubstr("default via 10.10.0.1 dev eth0"));
  EXPECT_THAT(must_run_in(pod_, "ip addr show eth0"), HasSubstr("inet 10.10.0.2/16"));
  EXPECT_THAT(must_run("ip addr show mynet0"), HasSubstr("10.10.0.1/16"));
  EXPECT_THAT(must_run("bridge -d link show dev " + host_interface(result)), HasSubstr("hairpin on"));
  EXPECT_TRUE(reaches(pod_, "192.0.2.2"));
}

TEST_F(Bridge, ServesBothFamiliesAndConnectsPods) {
  make_outside();
  const std::string other = make_netns("pod2");
  const std::string text = config(
      R"("isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.22.0.0/16"}],[{"subnet":"2001:db8:1::/64"}]]})");
  add(text);
  add(text, pod("pod2"));
  EXPECT_TRUE(reaches(pod_, "10.22.0.3"));
  EXPECT_TRUE(reaches(pod_, "2001:db8:1::3"));
  EXPECT_TRUE(reaches(pod_, "192.0.2.2"));
  EXPECT_TRUE(reaches(pod_, "2001:db8:ffff::2"));
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  EXPECT_TRUE(reaches(other, "192.0.2.2")) << "one pod's DEL must not end another's masquerading";
}

TEST_F(Bridge, ListsBridgeHostAndContainerInTheResult) {
  const PluginResult result =
      add(config(std::string(R"("isGateway":true,"mtu":1400,"mac":"02:00:00:00:00:05",)") + kIpam));
  const auto& interfaces = result.json.at("interfaces").as_array();
  ASSERT_EQ(interfaces.size(), 3U);
  EXPECT_EQ(interfaces.at(0).at("name").as_string(), "cni0");
  EXPECT_FALSE(interfaces.at(1).as_object().contains("sandbox"));
  EXPECT_EQ(interfaces.at(2).at("name").as_string(), "eth0");
  EXPECT_EQ(interfaces.at(2).at("mac").as_string(), "02:00:00:00:00:05");
  EXPECT_EQ(interfaces.at(2).at("sandbox").as_string(), pod_);
  EXPECT_EQ(result.json.at("ips").as_array().at(0).at("interface").as_int64(), 2);
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("mtu 1400"));
  EXPECT_THAT(must_run("ip link show " + host_interface(result)), HasSubstr("master cni0"));
}

TEST_F(Bridge, TakesTheMacOfTheRuntimeBeforeThatOfTheArguments) {
  const auto mac = [&](const std::string& keys, const std::string& args) {
    const PluginResult result = add(config(keys + kIpam), pod("pod1", "eth0", args));
    EXPECT_TRUE(runner_.del("bridge", config(kIpam)).ok());
    return std::string(result.json.at("interfaces").as_array().at(2).at("mac").as_string());
  };
  EXPECT_EQ(mac("", "IgnoreUnknown=1;MAC=02:00:00:00:00:01"), "02:00:00:00:00:01");
  EXPECT_EQ(mac(R"("args":{"cni":{"mac":"02:00:00:00:00:02"}},)", "IgnoreUnknown=1;MAC=02:00:00:00:00:01"),
            "02:00:00:00:00:02");
  EXPECT_EQ(mac(R"("runtimeConfig":{"mac":"02:00:00:00:00:03"},"args":{"cni":{"mac":"02:00:00:00:00:02"}},)", ""),
            "02:00:00:00:00:03");
}

TEST_F(Bridge, SaysThatTheKernelDoesNotFilterVlans) {
  if (run_shell("ip link add name probe0 type bridge vlan_filtering 1").ok()) GTEST_SKIP() << "this kernel's do";
  const PluginResult refused = runner_.add("bridge", config(std::string(R"("vlan":5,)") + kIpam));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.json.at("details").as_string()), HasSubstr("CONFIG_BRIDGE_VLAN_FILTERING"));
}

TEST_F(Bridge, SetsPromiscuousModeAndPortIsolation) {
  const PluginResult result = add(config(std::string(R"("promiscMode":true,"portIsolation":true,)") + kIpam));
  EXPECT_THAT(must_run("ip -d link show cni0"), HasSubstr("promiscuity 1"));
  EXPECT_THAT(must_run("bridge -d link show dev " + host_interface(result)), HasSubstr("isolated on"));
  make_netns("pod2");
  add(config(std::string(R"("promiscMode":true,"portIsolation":true,)") + kIpam), pod("pod2"));
  EXPECT_FALSE(reaches(pod_, "10.22.0.3")) << "isolated ports must not reach each other";
}

TEST_F(Bridge, DropsFramesFromAnAddressThatIsNotThePods) {
  const std::string text = config(std::string(R"("isGateway":true,"macspoofchk":true,)") + kIpam);
  add(text);
  EXPECT_TRUE(reaches(pod_, "10.22.0.1"));
  must_run_in(pod_, "ip link set eth0 address 02:00:00:00:00:99 && ip neigh flush all");
  EXPECT_FALSE(reaches(pod_, "10.22.0.1"));
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("barewire")));
}

TEST_F(Bridge, LeavesTheContainerInterfaceDownWhenDisabled) {
  add(config(R"("disableContainerInterface":true)"));
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("state DOWN"));
}

TEST_F(Bridge, WorksWithoutAddresses) {
  const PluginResult result = add(config(R"("bridge":"br5")"));
  EXPECT_FALSE(result.json.as_object().contains("ips"));
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("state UP"));
}

TEST_F(Bridge, KeepsTheMacOfABridgeThatWasThereAndTellsIt) {
  must_run("ip link add cni0 type bridge && ip link set cni0 up");
  const auto told = [&](const std::string& name) {
    return std::string(add(config(kIpam), pod(name)).json.at("interfaces").at(0).at("mac").as_string());
  };
  const std::string mac = told("pod1");
  for (const char* name : {"pod2", "pod3", "pod4", "pod5"}) {
    make_netns(name);
    EXPECT_EQ(mac, told(name));
  }
  EXPECT_THAT(must_run("ip link show cni0"), HasSubstr(mac));
}

TEST_F(Bridge, HasItsIpv6AddressesReadyWhenAddReturns) {
  must_run("sysctl -qw net.ipv6.conf.all.accept_dad=1 net.ipv6.conf.default.accept_dad=1");
  add(config(R"("isGateway":true,"ipam":{"type":"host-local","subnet":"fd00:7::/64"})"));
  EXPECT_THAT(must_run("ip -6 addr show dev cni0 scope global"),
              ::testing::AllOf(HasSubstr("fd00:7::1/64"), Not(HasSubstr("tentative"))));
  EXPECT_TRUE(reaches(pod_, "fd00:7::1"));
  EXPECT_TRUE(runner_.del("bridge", config(R"("ipam":{"type":"host-local","subnet":"fd00:7::/64"})")).ok());
  add(config(R"("bridge":"layer2")"));
  EXPECT_THAT(must_run_in(pod_, "ip -6 addr show dev eth0 scope link"), HasSubstr("fe80:"));
}

TEST_F(Bridge, LetsNeighboursFindAnAddressThatAnotherPodHadBefore) {
  for (const char* name : {"pod2", "asker"}) make_netns(name);
  const std::string ipam =
      R"("isGateway":true,"capabilities":{"ips":true},"ipam":{"type":"host-local","subnet":"10.22.0.0/16"})";
  add(config(ipam), pod("asker"));
  const std::string text = config(ipam + R"(,"runtimeConfig":{"ips":["10.22.0.50"]})");
  add(text, pod("pod1"));
  EXPECT_TRUE(reaches("/run/netns/asker", "10.22.0.50"));
  EXPECT_TRUE(reaches("", "10.22.0.50"));
  EXPECT_TRUE(runner_.del("bridge", text, pod("pod1")).ok());
  add(text, pod("pod2"));
  EXPECT_TRUE(reaches("/run/netns/asker", "10.22.0.50")) << "its cache names the first pod's MAC";
  EXPECT_TRUE(reaches("", "10.22.0.50"));
}

TEST_F(Bridge, RefusesAnotherGatewayAddressUnlessForced) {
  add(config(std::string(R"("isGateway":true,)") + kIpam));
  make_netns("pod2");
  const std::string ipam = R"("ipam":{"type":"host-local","subnet":"10.33.0.0/16"})";
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult refused = runner_.add("bridge", config(R"("isGateway":true,)" + ipam), pod("pod2"));
  EXPECT_EQ(refused.code(), 102) << refused;
  EXPECT_THAT(refused.msg(), HasSubstr("it already has 10.22.0.1/16"));
  EXPECT_NODE_UNCHANGED(before);
  add(config(R"("isGateway":true,"forceAddress":true,)" + ipam), pod("pod2"));
  EXPECT_THAT(must_run("ip addr show cni0"), HasSubstr("10.33.0.1/16"));
}

TEST_F(Bridge, RefusesEveryBadValueWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const auto& [keys, part] : std::vector<std::pair<std::string, std::string>>{
           {R"("vlan":4095)", "\"vlan\""},
           {R"("vlan":-1)", "\"vlan\""},
           {R"("vlan":"5")", "\"vlan\""},
           {R"("vlanTrunk":[{"id":0}])", "vlanTrunk[0].id"},
           {R"("vlanTrunk":[{"minID":5}])", "minID and maxID together"},
           {R"("vlanTrunk":[{"minID":9,"maxID":5}])", "not greater"},
           {R"("vlanTrunk":[{}])", "vlanTrunk[0]"},
           {R"("mtu":-5)", "\"mtu\""},
           {R"("isGateway":"yes")", "isGateway"},
           {R"("hairpinMode":true,"promiscMode":true)", "cannot set both"},
           {R"("disableContainerInterface":true,"ipam":{"type":"host-local","subnet":"10.1.1.0/24"})", "ipam"},
           {R"("ipMasq":true,"ipMasqBackend":"firewalld")", "ipMasqBackend"},
           {R"("mac":"01:00:00:00:00:01")", "unicast"}}) {
    const PluginResult result = runner_.add("bridge", config(keys));
    EXPECT_EQ(result.code(), 7) << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << keys;
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Bridge, RefusesALinkThatIsNoBridgeAndReleasesTheAddress) {
  must_run("ip link add cni0 type veth peer name cni1");
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = runner_.add("bridge", config(kIpam));
  EXPECT_EQ(result.code(), 7);
  EXPECT_THAT(result.msg(), HasSubstr("expected the name of a bridge"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Bridge, RefusesASecondAddAndAnInterfaceThatExists) {
  add(config(kIpam));
  EXPECT_EQ(runner_.add("bridge", config(kIpam)).code(), 102);
  EXPECT_TRUE(runner_.del("bridge", config(kIpam)).ok());
  must_run_in(pod_, "ip link add eth0 type veth peer name other");
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = runner_.add("bridge", config(kIpam));
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(result.msg(), HasSubstr("container veth name provided (eth0) already exists"));
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_TRUE(run_in(pod_, "ip link show eth0").ok()) << "the interface was there before and is not the plugin's";
}

TEST_F(Bridge, CheckFindsEachMissingPiece) {
  const std::string text =
      config(R"("isDefaultGateway":true,"ipMasq":true,"macspoofchk":true,"hairpinMode":true,"portIsolation":true,)" +
             std::string(kIpam));
  struct Damage {
    std::string netns, command, part;
  };
  const std::vector<Damage> damages = {
      {pod_, "ip addr del 10.22.0.2/16 dev eth0", "address 10.22.0.2/16 is missing"},
      {pod_, "ip route del default", "route 0.0.0.0/0"},
      {pod_, "ip link set eth0 down", "down"},
      {pod_, "ip link set eth0 name eth9 || (ip link set eth0 down && ip link set eth0 name eth9)", "missing"},
      {pod_, "ip link set eth0 address 02:00:00:00:00:77", "MAC"},
      {"", "ip addr del 10.22.0.1/16 dev cni0", "gateway address 10.22.0.1/16 is missing"},
      {"", "ip link set cni0 down", "down"},
      {"", "ip link set HOST nomaster", "no port of cni0"},
      {"", "ip link set HOST down", "down"},
      {"", "bridge link set dev HOST hairpin off", "hairpin"},
      {"", "bridge link set dev HOST isolated off", "isolated"},
      {"", "nft flush table inet barewire", "not as it was made"},
      {"", "nft delete table inet barewire", "missing"},
      {"", "nft delete table bridge barewire", "missing"},
      {"", "nft flush set bridge barewire allowed_sources", "no element"},
      {"", "sysctl -qw net.ipv4.ip_forward=0", "ip_forward"},
      {"", "rm /var/lib/cni/networks/mynet/10.22.0.2", ""}};
  for (const Damage& damage : damages) {
    const PluginResult result = add(text);
    const PluginResult whole = runner_.check("bridge", with_previous(text, result));
    EXPECT_TRUE(whole.ok()) << whole;
    std::string command = damage.command;
    if (const auto at = command.find("HOST"); at != std::string::npos) command.replace(at, 4, host_interface(result));
    must_run_in(damage.netns, command);
    const PluginResult found = runner_.check("bridge", with_previous(text, result));
    EXPECT_FALSE(found.ok()) << command;
    EXPECT_THAT(found.msg(), HasSubstr(damage.part)) << command;
    EXPECT_TRUE(runner_.del("bridge", text).ok()) << command;
    must_run("ip link del cni0; sysctl -qw net.ipv4.ip_forward=1; rm -rf /var/lib/cni/networks");
    run_in(pod_, "ip link del eth9; ip link del eth0");
  }
}

TEST_F(Bridge, DelTwiceAndWithTheNetnsGoneLeavesNothing) {
  const std::string text = config(std::string(R"("isGateway":true,"ipMasq":true,"macspoofchk":true,)") + kIpam);
  add(text);
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  const NodeSnapshot before = NodeSnapshot::take();
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  add(text);
  delete_netns("pod1");
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  EXPECT_NODE_UNCHANGED(before);
  CniCall nowhere = pod("pod1");
  nowhere.netns.clear();
  EXPECT_TRUE(runner_.del("bridge", text, nowhere).ok());
}

TEST_F(Bridge, DelUsesTheRecordWhenTheConfigurationHasChanged) {
  const std::string text = config(std::string(R"("isGateway":true,"ipMasq":true,)") + kIpam);
  add(text);
  EXPECT_TRUE(runner_.del("bridge", config(R"("bridge":"another")")).ok());
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("barewire")));
  EXPECT_FALSE(run_in("", "ls /var/lib/cni/networks/mynet/10.22.0.2").ok());
}

TEST_F(Bridge, GcReturnsWhatIsNotListedAndNothingElse) {
  const std::string text = config(std::string(R"("isGateway":true,"ipMasq":true,)") + kIpam);
  make_netns("pod2");
  add(text, pod("pod2"));
  const NodeSnapshot before = NodeSnapshot::take();
  add(text);
  delete_netns("pod1");
  const PluginResult gc = runner_.gc("bridge", with_valid(text, R"([{"containerID":"pod2","ifname":"eth0"}])"));
  EXPECT_TRUE(gc.ok()) << gc;
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_TRUE(runner_.gc("bridge", with_valid(text, "[]")).ok());
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("barewire")));
}

TEST_F(Bridge, StatusAsksIpam) {
  EXPECT_TRUE(runner_.status("bridge", config(kIpam)).ok());
  EXPECT_FALSE(runner_.status("bridge", config(R"("ipam":{"type":"no-such-plugin"})")).ok());
}

TEST_F(Bridge, MasqueradesWithIptablesWhereAsked) {
  if (!run_in("", "iptables -t nat -L").ok()) GTEST_SKIP() << "the iptables command does not work here";
  make_outside();
  const std::string text =
      config(std::string(R"("isDefaultGateway":true,"ipMasq":true,"ipMasqBackend":"iptables",)") + kIpam);
  const PluginResult result = add(text);
  EXPECT_TRUE(reaches(pod_, "192.0.2.2"));
  EXPECT_THAT(must_run("iptables -t nat -S"), HasSubstr("CNI-BW-"));
  EXPECT_TRUE(runner_.check("bridge", with_previous(text, result)).ok());
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  EXPECT_THAT(must_run("iptables -t nat -S"), Not(HasSubstr("CNI-BW-")));
}

}  // namespace
}  // namespace barewire::test
