// SPDX-License-Identifier: Apache-2.0
/// The VLAN keys of the bridge plugin, on a kernel whose bridge filters VLANs.
#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class BridgeVlan : public StandardTest {
 protected:
  static std::string config(const std::string& keys) {
    return fmt::format(
        R"({{"cniVersion":"1.1.0","name":"mynet","type":"bridge",{},"ipam":{{"type":"host-local","subnet":"10.22.0.0/16"}}}})",
        keys);
  }
  PluginResult add(const std::string& text, const CniCall& call = {}) {
    PluginResult result = runner_.add("bridge", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
    return result;
  }
  static std::string vlans_of(const PluginResult& result) {
    const auto& name = result.json.at("interfaces").as_array().at(1).at("name").as_string();
    return must_run("bridge -compressvlans vlan show dev " + std::string(name));
  }
};

TEST_F(BridgeVlan, PutsThePortIntoItsVlansAndTheGatewayToo) {
  const PluginResult result =
      add(config(R"("vlan":100,"vlanTrunk":[{"id":7},{"minID":200,"maxID":202}],"isGateway":true)"));
  const std::string vlans = vlans_of(result);
  EXPECT_THAT(vlans, HasSubstr("100 PVID Egress Untagged"));
  EXPECT_THAT(vlans, HasSubstr("200-202"));
  EXPECT_THAT(vlans, HasSubstr("7"));
  EXPECT_THAT(vlans, Not(HasSubstr(" 1\n")));
  EXPECT_THAT(must_run("ip addr show cni0.100"), HasSubstr("10.22.0.1/16"));
  EXPECT_TRUE(reaches(pod_, "10.22.0.1"));
  EXPECT_EQ(4U, result.json.at("interfaces").as_array().size());
}

TEST_F(BridgeVlan, KeepsPodsOfDifferentVlansApart) {
  make_netns("pod2");
  make_netns("pod3");
  add(config(R"("vlan":100)"));
  add(config(R"("vlan":100)"), pod("pod2"));
  add(config(R"("vlan":200)"), pod("pod3"));
  EXPECT_TRUE(reaches(pod_, "10.22.0.3"));
  EXPECT_FALSE(reaches(pod_, "10.22.0.4"));
}

TEST_F(BridgeVlan, PreservesTheDefaultVlanWhereAsked) {
  EXPECT_THAT(vlans_of(add(config(R"("vlan":100,"preserveDefaultVlan":true)"))), HasSubstr("1 Egress Untagged"));
}

TEST_F(BridgeVlan, ATrunkWithoutAVlanKeepsTheDefaultOneForUntaggedFrames) {
  const std::string keys = R"("vlanTrunk":[{"id":7}],"isGateway":true)";
  EXPECT_THAT(vlans_of(add(config(keys))), HasSubstr("1 PVID Egress Untagged"));
  EXPECT_TRUE(reaches(pod_, "10.22.0.1"));
  EXPECT_TRUE(runner_.del("bridge", config(keys)).ok());
  EXPECT_THAT(vlans_of(add(config(keys + R"(,"preserveDefaultVlan":false)"))), Not(HasSubstr("PVID")));
}

TEST_F(BridgeVlan, TakesEveryVlanAsATrunk) {
  const std::string vlans = vlans_of(add(config(R"("vlanTrunk":[{"minID":1,"maxID":4094}])")));
  EXPECT_THAT(vlans, HasSubstr("-4094"));
}

TEST_F(BridgeVlan, SwitchesFilteringOnForABridgeThatIsThere) {
  must_run("ip link add cni0 type bridge && ip link set cni0 up");
  add(config(R"("vlan":100)"));
  EXPECT_THAT(must_run("ip -d link show cni0"), HasSubstr("vlan_filtering 1"));
}

TEST_F(BridgeVlan, CheckFindsAMissingVlan) {
  const std::string text = config(R"("vlan":100,"vlanTrunk":[{"id":7}],"isGateway":true)");
  const PluginResult result = add(text);
  const PluginResult whole = runner_.check("bridge", with_previous(text, result));
  EXPECT_TRUE(whole.ok()) << whole;
  const std::string port(result.json.at("interfaces").as_array().at(1).at("name").as_string());
  for (const std::string& damage : {"bridge vlan del vid 7 dev " + port,
                                    "bridge vlan add vid 7 dev " + port + " && bridge vlan del vid 100 dev " + port,
                                    "bridge vlan add vid 100 pvid untagged dev " + port + " && ip link del cni0.100",
                                    std::string("ip link set cni0 type bridge vlan_filtering 0")}) {
    must_run(damage);
    EXPECT_EQ(104, runner_.check("bridge", with_previous(text, result)).code()) << damage;
  }
}

TEST_F(BridgeVlan, LeavesNothingOfThePodAfterDel) {
  const std::string text = config(R"("vlan":100,"isGateway":true)");
  make_netns("pod2");
  add(text, pod("pod2"));
  const NodeSnapshot before = NodeSnapshot::take();
  add(text);
  EXPECT_TRUE(runner_.del("bridge", text).ok());
  EXPECT_NODE_UNCHANGED(before);
}

}  // namespace
}  // namespace barewire::test
