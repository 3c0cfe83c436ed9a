// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <future>
#include <set>

#include "core/fd.h"
#include "tests/lab/sriov/sriov_lab.h"

namespace barewire::test {
namespace {

using Attach = SriovLab;

constexpr const char* kAll =
    R"(,"mac":"02:00:00:00:01:0A","vlan":100,"vlanQoS":3,"spoofchk":"off","trust":"on","max_tx_rate":200,"mtu":1400)";

TEST_F(Attach, EveryAttributeOfIgbIsSetReadBackAndRestored) {
  const auto before = NodeSnapshot::take();
  const PluginResult added = must_add(config(0, kAll), pod("a"));
  EXPECT_EQ("02:00:00:00:01:0a", vf_attribute(0, "address"));
  EXPECT_EQ(R"([{"vlan":100,"qos":3}])", vf_attribute(0, "vlan_list"));
  EXPECT_EQ("false", vf_attribute(0, "spoofchk"));
  EXPECT_EQ("true", vf_attribute(0, "trust"));
  EXPECT_EQ(R"({"max_tx":200,"min_tx":0})", vf_attribute(0, "rate"));
  EXPECT_EQ("1400", link_attribute("a", "net1", "mtu"));
  EXPECT_EQ("02:00:00:00:01:0a", link_attribute("a", "net1", "address"));
  EXPECT_FALSE(link_exists("", vf(0).netdev));
  must_del(config(0, kAll), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Attach, ResultNamesInterfaceMacMtuSandboxAndPciId) {
  const PluginResult added = must_add(config(0, kAll), pod("a"));
  const auto& interfaces = added.json.at("interfaces").as_array();
  ASSERT_EQ(1U, interfaces.size());
  EXPECT_EQ(boost::json::parse(fmt::format(
                R"({{"name":"net1","mac":"02:00:00:00:01:0a","mtu":1400,"sandbox":"/run/netns/a","pciID":"{}"}})",
                vf(0).address)),
            interfaces[0]);
  must_del(config(0, kAll), pod("a"));
}

TEST_F(Attach, WithoutSettingsNothingOfTheVfChangesButItsPlace) {
  const auto before = NodeSnapshot::take();
  must_add(config(0), pod("a"));
  EXPECT_EQ(vf(0).mac, link_attribute("a", "net1", "address"));
  EXPECT_EQ("[{}]", vf_attribute(0, "vlan_list"));
  must_del(config(0), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Attach, VfThatWasUpOnTheHostComesBackUp) {
  must_run("ip link set " + vf(0).netdev + " up");
  must_add(config(0, kAll), pod("a"));
  must_del(config(0, kAll), pod("a"));
  EXPECT_NE(std::string::npos, link_attribute("", vf(0).netdev, "flags").find("\"UP\""));
  EXPECT_EQ(vf(0).mac, link_attribute("", vf(0).netdev, "address"));
}

TEST_F(Attach, TrafficFlowsAtOnceWithARequestedMac) {
  must_add(config(0, R"(,"mac":"02:00:00:00:00:0a")"), pod("a"));
  must_add(config(1, R"(,"mac":"02:00:00:00:00:0b")"), pod("b"));
  give_address("a", "net1", "10.9.0.1/24");
  give_address("b", "net1", "10.9.0.2/24");
  EXPECT_TRUE(pings("a", "10.9.0.2"));
}

TEST_F(Attach, TrafficFlowsAtOnceWithARequestedMacOnVfsThatWereUp) {
  must_run("ip link set " + vf(0).netdev + " up; ip link set " + vf(1).netdev + " up");
  must_add(config(0, R"(,"mac":"02:00:00:00:00:0a","vlan":100)"), pod("a"));
  must_add(config(1, R"(,"mac":"02:00:00:00:00:0b","vlan":100)"), pod("b"));
  give_address("a", "net1", "10.9.0.1/24");
  give_address("b", "net1", "10.9.0.2/24");
  EXPECT_TRUE(pings("a", "10.9.0.2"));
}

TEST_F(Attach, RequestedMacBecomesEffectiveOnAVfWhoseAdministratorPinnedAnother) {
  must_run("ip link set pf0 vf 0 mac 02:00:00:00:0a:0a; ip link set " + vf(0).netdev + " up; ip link set " +
           vf(0).netdev + " down");
  ASSERT_EQ("02:00:00:00:0a:0a", link_attribute("", vf(0).netdev, "address"));
  must_add(config(0, R"(,"mac":"02:00:00:00:00:0a")"), pod("a"));
  must_add(config(1, R"(,"mac":"02:00:00:00:00:0b")"), pod("b"));
  EXPECT_EQ("02:00:00:00:00:0a", link_attribute("a", "net1", "address"));
  give_address("a", "net1", "10.9.0.1/24");
  give_address("b", "net1", "10.9.0.2/24");
  EXPECT_TRUE(pings("a", "10.9.0.2"));
  must_del(config(0, R"(,"mac":"02:00:00:00:00:0a")"), pod("a"));
  EXPECT_EQ("02:00:00:00:0a:0a", vf_attribute(0, "address"));
  EXPECT_EQ("02:00:00:00:0a:0a", link_attribute("", vf(0).netdev, "address"));
}

TEST_F(Attach, MacBecomesEffectiveByBindingTheDriverWhereTheProfileSaysSo) {
  std::filesystem::create_directories("/etc/barewire/hw-profiles");
  must_run(
      "cd /etc/barewire/hw-profiles; sed 's/\"set-in-pod\", \"reopen\", \"rebind\"/\"rebind\"/' " BAREWIRE_SOURCE_DIR
      "/hw-profiles/intel-igb.json > igb.json; grep '\"make_effective\": {\"value\": .\"rebind\"' igb.json");
  // A pinned MAC makes the VF refuse to take an address itself, so that nothing but binding helps.
  must_run("ip link set pf0 vf 0 mac 02:00:00:00:0a:0a");
  const PluginResult added = must_add(config(0, R"(,"mac":"02:00:00:00:00:0a")"), pod("a"));
  EXPECT_EQ("02:00:00:00:00:0a", link_attribute("a", "net1", "address"));
  must_del(config(0, R"(,"mac":"02:00:00:00:00:0a")"), pod("a"));
  EXPECT_TRUE(link_exists("", vf(0).netdev));
}

TEST_F(Attach, VlansAreKeptApart) {
  make_netns("c");
  must_add(config(0, R"(,"vlan":100)"), pod("a"));
  must_add(config(1, R"(,"vlan":100)"), pod("b"));
  must_add(config(2, R"(,"vlan":200)"), pod("c"));
  give_address("a", "net1", "10.9.0.1/24");
  give_address("b", "net1", "10.9.0.2/24");
  give_address("c", "net1", "10.9.0.3/24");
  EXPECT_TRUE(pings("a", "10.9.0.2"));
  EXPECT_TRUE(pings("b", "10.9.0.1"));
  EXPECT_FALSE(pings("a", "10.9.0.3", std::chrono::seconds(2)));
  EXPECT_FALSE(pings("c", "10.9.0.1", std::chrono::seconds(2)));
}

TEST_F(Attach, TrafficFlowsOnTheHostAgainAfterDel) {
  must_add(config(0, kAll), pod("a"));
  must_del(config(0, kAll), pod("a"));
  must_add(config(1), pod("b"));
  give_address("b", "net1", "10.9.0.2/24");
  must_run(fmt::format("ip address add 10.9.0.1/24 dev {0}; ip link set {0} up; sleep 1; ping -c 1 -W 2 10.9.0.2",
                       vf(0).netdev));
}

TEST_F(Attach, AnInterfaceNameThatIsAnAlternativeNameOfTheVfIsNoObstacle) {
  must_run("ip link property add dev " + vf(0).netdev + " altname net1 altname lane7");
  const auto before = NodeSnapshot::take();
  must_add(config(0), pod("a"));
  EXPECT_TRUE(link_exists("a", "net1"));
  must_del(config(0), pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Attach, VfOnVfioPciIsHandedOverAndReturned) {
  bind(vf(0).address, "vfio-pci");
  const auto before = NodeSnapshot::take();
  const std::string text = config(0, R"(,"mac":"02:00:00:00:00:0a","vlan":100,"trust":"on")");
  const PluginResult added = must_add(text, pod("a"));
  const auto& interface = added.json.at("interfaces").at(0).as_object();
  EXPECT_EQ("02:00:00:00:00:0a", interface.at("mac"));
  EXPECT_EQ(1500, interface.at("mtu").to_number<int>());
  EXPECT_EQ(vf(0).address, interface.at("pciID").as_string());
  EXPECT_FALSE(link_exists("a", "net1"));
  EXPECT_EQ("02:00:00:00:00:0a", vf_attribute(0, "address"));
  EXPECT_TRUE(check(text, pod("a"), added).ok()) << check(text, pod("a"), added);
  must_del(text, pod("a"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Attach, DeviceInfoFileKeepsWhatTheDevicePluginWrote) {
  const std::string path = "/run/devinfo/cni/lan-a_net1";
  std::filesystem::create_directories("/run/devinfo/cni");
  write_text(path, R"({"type":"pci","version":"1.0.0","pci":{"pci-address":"x","vhost-net":"/dev/vhost-net"},"x":1})");
  const std::string text = config(0, fmt::format(R"(,"runtimeConfig":{{"CNIDeviceInfoFile":"{}"}})", path));
  must_add(text, pod("a"));
  EXPECT_EQ(boost::json::parse(fmt::format(R"({{"type":"pci","version":"1.1.0","x":1,"pci":{{"pci-address":"{}",
              "vhost-net":"/dev/vhost-net","pf-pci-address":"0000:01:00.0"}}}})",
                                           vf(0).address)),
            boost::json::parse(read_file(path).value()));
  struct stat status {};
  ASSERT_EQ(0, ::stat(path.c_str(), &status));
  EXPECT_EQ(0444U, status.st_mode & 0777U);
  must_del(text, pod("a"));
  EXPECT_NE(std::string::npos, read_file(path).value().find("\"1.0.0\""));
}

TEST_F(Attach, DeviceInfoFileIsMadeAndRemoved) {
  const std::string path = "/run/devinfo/cni/new";
  const std::string text = config(0, fmt::format(R"(,"runtimeConfig":{{"CNIDeviceInfoFile":"{}"}})", path));
  must_add(text, pod("a"));
  EXPECT_TRUE(std::filesystem::exists(path));
  must_del(text, pod("a"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Attach, TwoInterfacesOfOnePodAreTwoAttachments) {
  must_add(config(0), pod("a", "net1"));
  must_add(config(1), pod("a", "net2"));
  must_del(config(0), pod("a", "net1"));
  EXPECT_TRUE(link_exists("a", "net2"));
  must_del(config(1), pod("a", "net2"));
  EXPECT_TRUE(link_exists("", vf(1).netdev));
}

TEST_F(Attach, OldConfigVersionsGetTheirShape) {
  const std::string text =
      fmt::format(R"({{"cniVersion":"0.4.0","name":"lan","type":"sriov","deviceID":"{}"}})", vf(0).address);
  const PluginResult added = must_add(text, pod("a"));
  EXPECT_FALSE(added.json.at("interfaces").at(0).as_object().contains("pciID"));
  must_del(text, pod("a"));
}

}  // namespace
}  // namespace barewire::test
