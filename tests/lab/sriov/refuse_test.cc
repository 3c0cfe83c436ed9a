// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "tests/lab/sriov/sriov_lab.h"

namespace barewire::test {
namespace {

/// A config that must be refused: with which code, and which words.
struct Refusal {
  std::string members;
  int code = 0;
  std::string says;
};

class Refusing : public SriovLab {
 protected:
  void expect_all_refused(const std::vector<Refusal>& refusals) const {
    const auto before = NodeSnapshot::take();
    const auto devices = NodeSnapshot::take_devices();
    for (const Refusal& refusal : refusals) {
      SCOPED_TRACE(refusal.members);
      const PluginResult result = add(config(0, refusal.members), pod("a"));
      EXPECT_EQ(1, result.exit_status);
      EXPECT_EQ(refusal.code, result.code()) << result;
      EXPECT_NE(std::string::npos, result.msg().find(refusal.says)) << result;
      EXPECT_EQ("", devices.difference(NodeSnapshot::take_devices()));
    }
    EXPECT_NODE_UNCHANGED(before);
  }
};

/// Settings that igb does have: beside one that it has not, those must not be applied either.
const std::string kBeside = R"(,"vlan":300,"mac":"02:00:00:00:00:0a","trust":"on")";

TEST_F(Refusing, EveryAttributeThatIgbLacksUpFrontWithNothingTouched) {
  expect_all_refused({
      {kBeside + R"(,"link_state":"enable")", 103, "link_state"},
      {kBeside + R"(,"min_tx_rate":10)", 103, "min_tx_rate"},
      {kBeside + R"(,"vlanProto":"802.1ad")", 103, "vlanProto"},
      {kBeside + R"(,"max_tx_rate":1001)", 103, "max_tx_rate"},
      {kBeside + R"(,"mtu":9217)", 103, "mtu"},
      {kBeside + R"(,"promisc":true)", 103, "promisc"},
      {kBeside + R"(,"allmulti":true)", 103, "allmulti"},
  });
}

TEST_F(Refusing, EveryBadValueWithNothingTouched) {
  expect_all_refused({
      {R"(,"vlan":4095)", 7, "\"vlan\" is 4095"},
      {R"(,"vlan":"100")", 7, "\"vlan\" is \"100\""},
      {R"(,"vlanQoS":3)", 7, "vlanQoS"},
      {R"(,"vlan":1,"vlanQoS":8)", 7, "vlanQoS"},
      {R"(,"vlan":1,"vlanProto":"802.3")", 7, "vlanProto"},
      {R"(,"mac":"01:00:5e:00:00:01")", 7, "\"mac\""},
      {R"(,"mac":"00:00:00:00:00:00")", 7, "\"mac\""},
      {R"(,"mac":"hello")", 7, "\"mac\""},
      {R"(,"max_tx_rate":-1)", 7, "max_tx_rate"},
      {R"(,"min_tx_rate":20,"max_tx_rate":10)", 7, "min_tx_rate"},
      {R"(,"link_state":"up")", 7, "link_state"},
      {R"(,"mtu":67)", 7, "mtu"},
      {R"(,"promisc":"on")", 7, "promisc"},
      {R"(,"deviceID":"eth7")", 7, "deviceID"},
      {R"(,"deviceID":"0000:01:00.0")", 101, "0000:01:00.0 is not a VF"},
      {R"(,"deviceID":"0000:77:00.1")", 101, "0000:77:00.1 is not a VF"},
      {R"(,"pciBusID":"0000:77:00.1")", 7, "pciBusID"},
      {R"(,"ipam":{"type":"no-such-ipam"})", 106, "no-such-ipam"},
  });
}

/// Runs one call that must fail with `code`, and compares the node.
void expect_refused(const PluginResult& result, int code, const NodeSnapshot& before) {
  EXPECT_EQ(code, result.code()) << result;
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Refusing, EveryBadEnvironmentWithNothingTouched) {
  write_text("/run/plain", "");
  CniCall missing = pod("a"), plain_file = pod("a"), of_the_host = pod("a"), unknown_argument = pod("a");
  missing.netns = "/run/netns/nowhere";
  plain_file.netns = "/run/plain";
  of_the_host.netns = "/proc/self/ns/net";
  unknown_argument.args = "COLOUR=blue";
  const auto before = NodeSnapshot::take();
  EXPECT_EQ(5, add(config(0), missing).code());
  EXPECT_EQ(8, add(config(0), plain_file).code());
  EXPECT_EQ(8, add(config(0), of_the_host).code());
  EXPECT_EQ(4, add(config(0), unknown_argument).code());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Refusing, InterfaceNameThatThePodHasAlready) {
  must_run_in(netns("a"), "ip link add net1 type dummy");
  const auto before = NodeSnapshot::take();
  expect_refused(add(config(0, kBeside), pod("a")), 102, before);
}

TEST_F(Refusing, VfThatIsPartOfABridge) {
  must_run("ip link add br7 type bridge; ip link set " + vf(0).netdev + " master br7");
  const auto before = NodeSnapshot::take();
  expect_refused(add(config(0, kBeside), pod("a")), 102, before);
}

TEST_F(Refusing, VfThatAnotherPodHolds) {
  must_add(config(0), pod("b"));
  const auto before = NodeSnapshot::take();
  const PluginResult result = add(config(0, kBeside), pod("a"));
  expect_refused(result, 102, before);
  EXPECT_NE(std::string::npos, result.msg().find("lan/id-b/net1")) << result;
}

TEST_F(Refusing, VfWithoutDriver) {
  must_run("echo " + vf(0).address + " > /sys/bus/pci/devices/" + vf(0).address + "/driver/unbind");
  const auto before = NodeSnapshot::take();
  expect_refused(add(config(0, kBeside), pod("a")), 101, before);
}

TEST_F(Refusing, VfWhoseNetdevIsElsewhere) {
  must_run("ip link set " + vf(0).netdev + " netns b");
  const auto before = NodeSnapshot::take();
  expect_refused(add(config(0, kBeside), pod("a")), 101, before);
}

TEST_F(Refusing, MtuForAVfWithoutNetdev) {
  bind(vf(0).address, "vfio-pci");
  const auto before = NodeSnapshot::take();
  expect_refused(add(config(0, R"(,"vlan":300,"mtu":1400)"), pod("a")), 7, before);
}

TEST_F(Refusing, IpamThatHasNoAddressLeft) {
  const std::string ipam = R"(,"ipam":{"type":"host-local","subnet":"10.9.0.0/30"})";
  must_add(config(1, ipam), pod("b"));
  const auto before = NodeSnapshot::take();
  EXPECT_FALSE(add(config(0, kBeside + ipam), pod("a")).ok());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Refusing, AttributeThatTheProfileDoesNotKnowButTheDriverRefuses) {
  std::filesystem::create_directories("/etc/barewire/hw-profiles");
  must_run(
      "sed 's/\"link_state\": {\"supported\": false, \"verified\": true/\"link_state\": {\"supported\": true, "
      "\"verified\": false/' " BAREWIRE_SOURCE_DIR "/hw-profiles/intel-igb.json > /etc/barewire/hw-profiles/igb.json");
  const auto before = NodeSnapshot::take();
  expect_refused(add(config(0, kBeside + R"(,"link_state":"enable")"), pod("a")), 103, before);
}

}  // namespace
}  // namespace barewire::test
