// SPDX-License-Identifier: Apache-2.0
#include "sriov-plugin/drift.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <functional>

#include "core/vf/host.h"
#include "sriov-plugin/explain.h"
#include "tests/lab/sriov/sriov_lab.h"

namespace barewire::test {
namespace {

constexpr const char* kSettings =
    R"(,"mac":"02:00:00:00:01:0a","vlan":100,"vlanQoS":3,"spoofchk":"on","trust":"off","max_tx_rate":200,"mtu":1400,
"ipam":{"type":"static","addresses":[{"address":"10.9.0.1/24","gateway":"10.9.0.254"}],"routes":[{"dst":"10.77.0.0/16"}]})";

class Drift : public SriovLab {
 protected:
  state::Attachment attachment() const {
    const auto all = state::Store(Node().run_dir).list();
    EXPECT_EQ(1U, all.size());
    return all.at(0);
  }
};

TEST_F(Drift, CheckIsContentWithWhatAddMade) {
  const PluginResult added = must_add(config(0, kSettings), pod("a"));
  const PluginResult checked = check(config(0, kSettings), pod("a"), added);
  EXPECT_TRUE(checked.ok()) << checked;
}

/// A chained plugin's config with what the one before it answered.
std::string behind(const PluginResult& previous, const std::string& members) {
  return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan",{},"prevResult":{}}})", members, previous.out);
}

TEST_F(Drift, WhatLaterPluginsOfTheChainChangedIsNoDrift) {
  runner_.check_after_add();
  const std::string text = config(0, R"(,"trust":"on","promisc":false)");
  const PluginResult added = must_add(text, pod("a"));
  const std::string tuning = R"("type":"tuning","mtu":1400,"promisc":true,"mac":"02:00:00:00:00:77")";
  const PluginResult tuned = runner_.add("tuning", behind(added, tuning), pod("a"));  // checks the VF's plugin too
  ASSERT_TRUE(tuned.ok()) << tuned;
  vf::Host host((Node()));
  const auto record = host.store.find({"lan", "id-a", "net1", "sriov"});
  ASSERT_TRUE(record);
  EXPECT_THAT(sriov::find_drift(host, *record), ::testing::IsEmpty());
  Node node;
  EXPECT_THAT(sriov::repair(*record, node, false), ::testing::IsEmpty());
  EXPECT_EQ("1400", link_attribute("a", "net1", "mtu"));
  EXPECT_EQ("02:00:00:00:00:77", link_attribute("a", "net1", "address"));
}

TEST_F(Drift, RoutesThatVrfAndSbrMovedAreNotMissing) {
  runner_.check_after_add();
  must_run("modprobe vrf");
  for (const char* chained : {R"("type":"vrf","vrfname":"blue","table":1001)", R"("type":"sbr")"}) {
    const std::string text = config(
        0,
        R"(,"ipam":{"type":"static","addresses":[{"address":"10.1.1.5/24","gateway":"10.1.1.1"}],"routes":[{"dst":"0.0.0.0/0"}]})");
    const PluginResult added = must_add(text, pod("a"));
    const std::string type = std::string(chained).substr(8, 3);
    ASSERT_TRUE(runner_.add(type, behind(added, chained), pod("a")).ok());
    vf::Host host((Node()));
    EXPECT_THAT(sriov::find_drift(host, host.store.find({"lan", "id-a", "net1", "sriov"}).value()),
                ::testing::IsEmpty());
    EXPECT_TRUE(runner_.del(type, behind(added, chained), pod("a")).ok());
    must_del(text, pod("a"));
  }
}

TEST_F(Drift, RepairPutsADefaultRouteBackWithItsGateway) {
  must_add(
      config(
          0,
          R"(,"ipam":{"type":"static","addresses":[{"address":"10.1.1.5/24","gateway":"10.1.1.1"}],"routes":[{"dst":"0.0.0.0/0"}]})"),
      pod("a"));
  must_run_in(netns("a"), "ip route del default");
  Node node;
  EXPECT_EQ(1U, sriov::repair(attachment(), node, false).size());
  EXPECT_THAT(must_run_in(netns("a"), "ip route show default"), ::testing::StartsWith("default via 10.1.1.1 dev net1"));
}

TEST_F(Drift, CheckNamesEveryAttributeThatDrifted) {
  const PluginResult added = must_add(config(0, kSettings), pod("a"));
  must_run("ip link set pf0 vf 0 vlan 7 spoofchk off max_tx_rate 50 mac 02:00:00:00:0e:0e");
  must_run_in(netns("a"), "ip address del 10.9.0.1/24 dev net1; ip link set net1 mtu 1300 down");
  must_run("ip link set pf0 vf 0 trust on");  // last, because a trusted VF sets its own address again as it is closed
  const std::string message = check(config(0, kSettings), pod("a"), added).msg();
  for (const char* part :
       {"vlan is 7, ADD set 100 with priority 3", "spoofchk is off, ADD set on", "trust is on, ADD set off",
        "max_tx_rate is 50, ADD set 200", "admin MAC is 02:00:00:00:0e:0e, ADD set 02:00:00:00:01:0a",
        "MTU is 1300, was 1400", "address 10.9.0.1/24 is missing", "route 10.77.0.0/16 via 10.9.0.254 is missing",
        "net1 is down"})
    EXPECT_NE(std::string::npos, message.find(part)) << part << " in " << message;
  EXPECT_EQ(104, check(config(0, kSettings), pod("a"), added).code());
}

TEST_F(Drift, CheckNamesWhatAddDidNotSetButSomeoneChanged) {
  const PluginResult added = must_add(config(0), pod("a"));
  must_run("ip link set pf0 vf 0 vlan 7");
  EXPECT_NE(std::string::npos, check(config(0), pod("a"), added).msg().find("vlan is 7, was 0 at ADD"));
}

TEST_F(Drift, CheckSaysThatThePodRenamedTheInterface) {
  const PluginResult added = must_add(config(0), pod("a"));
  must_run_in(netns("a"), "ip link set net1 down; ip link set net1 name lan7; ip link set lan7 up");
  EXPECT_NE(std::string::npos, check(config(0), pod("a"), added).msg().find("interface net1 is called lan7"));
}

TEST_F(Drift, CheckSaysThatTheVfIsGone) {
  const PluginResult added = must_add(config(0), pod("a"));
  must_run("echo 0 > /sys/class/net/pf0/device/sriov_numvfs");
  EXPECT_NE(std::string::npos, check(config(0), pod("a"), added).msg().find("does not exist any more"));
}

TEST_F(Drift, CheckOfAnUnknownAttachmentSaysSo) {
  const PluginResult added = must_add(config(0), pod("a"));
  EXPECT_EQ(3, check(config(1), pod("b"), added).code());
}

TEST_F(Drift, CheckToleratesWhatALaterPluginOfTheChainChanged) {
  PluginResult added = must_add(config(0), pod("a"));
  must_run_in(netns("a"), "ip link set net1 mtu 1300");
  const auto at = added.out.find("\"mtu\":1500");
  ASSERT_NE(std::string::npos, at);
  added.out.replace(at, 10, "\"mtu\":1300");
  const PluginResult checked = check(config(0), pod("a"), added);
  EXPECT_TRUE(checked.ok()) << checked;
}

TEST_F(Drift, RepairPutsEverythingBack) {
  const PluginResult added = must_add(config(0, kSettings), pod("a"));
  must_run("ip link set pf0 vf 0 vlan 7 spoofchk off trust on max_tx_rate 50");
  must_run_in(netns("a"), "ip link set net1 down; ip address flush dev net1; ip link set net1 mtu 1300 name lan7");
  Node node;
  EXPECT_FALSE(sriov::repair(attachment(), node, false).empty());
  const PluginResult checked = check(config(0, kSettings), pod("a"), added);
  EXPECT_TRUE(checked.ok()) << checked;
  must_del(config(0, kSettings), pod("a"));
}

TEST_F(Drift, RepairMovesAVfBackIntoItsPod) {
  const PluginResult added = must_add(config(0, kSettings), pod("a"));
  must_run_in(netns("a"), "ip link set net1 netns b name stray");
  Node node;
  sriov::repair(attachment(), node, false);
  const PluginResult checked = check(config(0, kSettings), pod("a"), added);
  EXPECT_TRUE(checked.ok()) << checked;
}

TEST_F(Drift, RepairWithDryRunOnlySaysWhatItWouldDo) {
  must_add(config(0, kSettings), pod("a"));
  must_run("ip link set pf0 vf 0 vlan 7");
  const auto before = NodeSnapshot::take();
  Node node;
  const auto lines = sriov::repair(attachment(), node, true);
  ASSERT_EQ(1U, lines.size());
  EXPECT_NE(std::string::npos, lines[0].find("vlan is 7, ADD set 100"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Drift, ExplainTouchesNothing) {
  const auto before = NodeSnapshot::take();
  Node node;
  const auto lines = sriov::explain(config(0, kSettings), std::nullopt, node);
  EXPECT_GT(lines.size(), 6U);
  EXPECT_FALSE(std::filesystem::exists("/run/barewire/locks"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Drift, ExplainRefusesWhatAddWouldRefuse) {
  Node node;
  EXPECT_THROW(sriov::explain(config(0, R"(,"link_state":"enable")"), std::nullopt, node), Error);
  EXPECT_THROW(sriov::explain(config_without_device(""), std::nullopt, node), Error);
  EXPECT_FALSE(sriov::explain(config_without_device(""), vf(1).address, node).empty());
}

using Collecting = SriovLab;

TEST_F(Collecting, GcReturnsTheVfsOfAttachmentsThatAreNotListed) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, kSettings), pod("a"));
  const auto with_one = NodeSnapshot::take();
  must_add(config(1), pod("b"));
  const PluginResult result = runner_.gc(
      "sriov", config_without_device(R"(,"cni.dev/valid-attachments":[{"containerID":"id-a","ifname":"net1"}])"));
  EXPECT_TRUE(result.ok()) << result;
  EXPECT_NODE_UNCHANGED(with_one);
  EXPECT_TRUE(runner_.gc("sriov", config_without_device(R"(,"cni.dev/valid-attachments":[])")).ok());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Collecting, GcOfAnotherNetworkTouchesNothing) {
  must_add(config(0), pod("a"));
  const auto before = NodeSnapshot::take();
  const PluginResult result =
      runner_.gc("sriov", R"({"cniVersion":"1.1.0","name":"other","type":"sriov","cni.dev/valid-attachments":[]})");
  EXPECT_TRUE(result.ok()) << result;
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Collecting, GcWithoutAListTouchesNothing) {
  must_add(config(0), pod("a"));
  const auto before = NodeSnapshot::take();
  EXPECT_TRUE(runner_.gc("sriov", config_without_device("")).ok());
  EXPECT_NODE_UNCHANGED(before);
}

}  // namespace
}  // namespace barewire::test
