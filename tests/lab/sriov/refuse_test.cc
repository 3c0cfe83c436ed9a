// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "tests/lab/sriov/sriov_lab.h"

namespace barewire::test {
namespace {

/// A config that must be refused: with which code, and which words.
struct Refusal {
  std::string name;
  std::string members;
  int code = 0;
  std::string says;
};
std::ostream& operator<<(std::ostream& out, const Refusal& refusal) {
  return out << refusal.members;
}

class Refused : public SriovLab, public ::testing::WithParamInterface<Refusal> {};

TEST_P(Refused, UpFrontWithNothingTouched) {
  const auto before = NodeSnapshot::take();
  const PluginResult result = add(config(0, GetParam().members), pod("a"));
  EXPECT_EQ(1, result.exit_status);
  EXPECT_EQ(GetParam().code, result.code()) << result;
  EXPECT_NE(std::string::npos, result.msg().find(GetParam().says)) << result;
  EXPECT_NODE_UNCHANGED(before);
}

/// Each beside settings that igb does have: those must not be applied either.
const std::string kBeside = R"(,"vlan":300,"mac":"02:00:00:00:00:0a","trust":"on")";

INSTANTIATE_TEST_SUITE_P(
    ByTheNic, Refused,
    ::testing::Values(Refusal{"LinkState", kBeside + R"(,"link_state":"enable")", 103, "link_state"},
                      Refusal{"LinkStateAuto", kBeside + R"(,"link_state":"auto")", 103, "link_state"},
                      Refusal{"MinTxRate", kBeside + R"(,"min_tx_rate":10)", 103, "min_tx_rate"},
                      Refusal{"Dot1ad", kBeside + R"(,"vlanProto":"802.1ad")", 103, "vlanProto"},
                      Refusal{"RateAboveTheLink", kBeside + R"(,"max_tx_rate":1001)", 103, "max_tx_rate"},
                      Refusal{"MtuTooLarge", kBeside + R"(,"mtu":9217)", 103, "mtu"},
                      Refusal{"Promisc", kBeside + R"(,"promisc":true)", 103, "promisc"},
                      Refusal{"Allmulti", kBeside + R"(,"allmulti":true)", 103, "allmulti"}),
    [](const auto& param) { return param.param.name; });

INSTANTIATE_TEST_SUITE_P(
    ForBadValues, Refused,
    ::testing::Values(Refusal{"VlanTooLarge", R"(,"vlan":4095)", 7, "\"vlan\" is 4095"},
                      Refusal{"VlanAsText", R"(,"vlan":"100")", 7, "\"vlan\" is \"100\""},
                      Refusal{"QosWithoutVlan", R"(,"vlanQoS":3)", 7, "vlanQoS"},
                      Refusal{"QosTooLarge", R"(,"vlan":1,"vlanQoS":8)", 7, "vlanQoS"},
                      Refusal{"ProtoUnknown", R"(,"vlan":1,"vlanProto":"802.3")", 7, "vlanProto"},
                      Refusal{"MulticastMac", R"(,"mac":"01:00:5e:00:00:01")", 7, "\"mac\""},
                      Refusal{"ZeroMac", R"(,"mac":"00:00:00:00:00:00")", 7, "\"mac\""},
                      Refusal{"NoMac", R"(,"mac":"hello")", 7, "\"mac\""},
                      Refusal{"NegativeRate", R"(,"max_tx_rate":-1)", 7, "max_tx_rate"},
                      Refusal{"MinAboveMax", R"(,"min_tx_rate":20,"max_tx_rate":10)", 7, "min_tx_rate"},
                      Refusal{"LinkStateUnknown", R"(,"link_state":"up")", 7, "link_state"},
                      Refusal{"MtuTooSmall", R"(,"mtu":67)", 7, "mtu"},
                      Refusal{"PromiscAsText", R"(,"promisc":"on")", 7, "promisc"},
                      Refusal{"DeviceIsNoAddress", R"(,"deviceID":"eth7")", 7, "deviceID"},
                      Refusal{"DeviceIsNoVf", R"(,"deviceID":"0000:01:00.0")", 101, "0000:01:00.0 is not a VF"},
                      Refusal{"DeviceDoesNotExist", R"(,"deviceID":"0000:77:00.1")", 101, "0000:77:00.1 is not a VF"},
                      Refusal{"DevicesContradict", R"(,"pciBusID":"0000:77:00.1")", 7, "pciBusID"},
                      Refusal{"UnknownIpam", R"(,"ipam":{"type":"no-such-ipam"})", 106, "no-such-ipam"},
                      Refusal{"LogLevelUnknown", R"(,"logLevel":"loud")", 7, "logLevel"}),
    [](const auto& param) { return param.param.name; });

using Refusing = SriovLab;

/// Runs one call that must fail with `code`, and compares the node.
void expect_refused(const PluginResult& result, int code, const NodeSnapshot& before) {
  EXPECT_EQ(code, result.code()) << result;
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Refusing, NetnsThatIsMissing) {
  const auto before = NodeSnapshot::take();
  CniCall call = pod("a");
  call.netns = "/run/netns/nowhere";
  expect_refused(add(config(0), call), 5, before);
}

TEST_F(Refusing, NetnsThatIsAPlainFile) {
  write_text("/run/plain", "");
  const auto before = NodeSnapshot::take();
  CniCall call = pod("a");
  call.netns = "/run/plain";
  expect_refused(add(config(0), call), 8, before);
}

TEST_F(Refusing, NetnsThatIsTheHosts) {
  const auto before = NodeSnapshot::take();
  CniCall call = pod("a");
  call.netns = "/proc/self/ns/net";
  expect_refused(add(config(0), call), 8, before);
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

TEST_F(Refusing, UnknownCniArgs) {
  const auto before = NodeSnapshot::take();
  CniCall call = pod("a");
  call.args = "COLOUR=blue";
  expect_refused(add(config(0), call), 4, before);
}

}  // namespace
}  // namespace barewire::test
