// SPDX-License-Identifier: Apache-2.0
#include "device-manager/state/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device-manager/inventory/pool.h"
#include "device-manager/state/apply.h"
#include "device-manager/state/reader.h"
#include "hw-profiles/loader.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::declared {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

kernel::Link link_called(const std::string& name) {
  kernel::Link link;
  link.name = name;
  link.mtu = 1500;
  link.flags = 1;  // IFF_UP
  link.mac = MacAddress::parse("52:54:00:00:01:01");
  return link;
}

/// An 82576 with `vfs` VFs on their kernel driver, of which nobody has any.
NicFacts igb(std::uint32_t vfs, const std::string& address = "0000:01:00.0", const std::string& name = "pf0") {
  NicFacts facts;
  facts.profile = hw::find_profile({0x8086, 0x10c9}, "igb");
  facts.base.pf.pci = {.address = address, .vendor = 0x8086, .device = 0x10c9, .driver = "igb"};
  facts.base.pf.link = link_called(name);
  facts.base.pf.total_vfs = 7;
  for (std::uint32_t id = 0; id < vfs; ++id) {
    vf::Vf vf;
    vf.id = id;
    vf.pci.driver = "igbvf";
    vf.link = link_called("v");
    vf.info = kernel::VfInfo{.id = id, .spoof_check = true, .trust = false};
    facts.base.pf.vfs.push_back(vf);
  }
  facts.base.in_use.resize(vfs);
  facts.base.drivers = {"igb", "igbvf", "vfio-pci"};
  return facts;
}

Declaration declared(const std::string& nics) {
  Declaration declaration;
  add_file(declaration, "node.json", R"({"nics":[)" + nics + "]}");
  check_together(declaration);
  EXPECT_THAT(declaration.problems, IsEmpty());
  return declaration;
}

std::vector<std::string> steps_of(const NicPlan& plan) {
  std::vector<std::string> steps;
  for (const auto& step : plan.steps) steps.push_back(step.describe(plan.name));
  return steps;
}

NicPlan plan(const std::string& rest, const NicFacts& facts) {
  static std::vector<std::unique_ptr<Declaration>> kept;  // the plan refers to it
  kept.push_back(std::make_unique<Declaration>(declared(R"({"select":{"driver":"igb"},)" + rest + "}")));
  return plan_nic(kept.back()->nics.at(0), facts);
}

constexpr const char* kTwoGroups =
    R"("vfs": 4, "groups": [{"vfs": "0-1", "pool": "net"}, {"vfs": "2-3", "driver": "vfio-pci", "pool": "dpdk"}])";

TEST(DeclaredPlan, MakesFromNothing) {
  const NicPlan made = plan(kTwoGroups, igb(0));
  EXPECT_THAT(steps_of(made), ElementsAre("create 4 VFs on pf0", "wait for 4 VFs and their netdevs",
                                          "bind VF 2 to vfio-pci", "bind VF 3 to vfio-pci"));
  ASSERT_THAT(made.changes, SizeIs(3));
  EXPECT_EQ(made.changes[0].what, "VFs");
  EXPECT_EQ(made.changes[2].wanted, "vfio-pci, pool dpdk");
}

/// Whatever step a run was killed after, the next plan is what is left of the first.
TEST(DeclaredPlan, GoesOnWhereAKilledRunStopped) {
  NicFacts facts = igb(4);
  EXPECT_THAT(steps_of(plan(kTwoGroups, facts)), ElementsAre("bind VF 2 to vfio-pci", "bind VF 3 to vfio-pci"));
  facts.base.pf.vfs[2].pci.driver = "";  // between unbinding and binding
  facts.base.pf.vfs[2].link.reset();
  EXPECT_THAT(steps_of(plan(kTwoGroups, facts)), ElementsAre("bind VF 2 to vfio-pci", "bind VF 3 to vfio-pci"));
  facts.base.pf.vfs[2].pci.driver = "vfio-pci";
  EXPECT_THAT(steps_of(plan(kTwoGroups, facts)), ElementsAre("bind VF 3 to vfio-pci"));
  facts.base.pf.vfs[3].pci.driver = "vfio-pci";
  facts.base.pf.vfs[3].link.reset();
  const NicPlan done = plan(kTwoGroups, facts);
  EXPECT_TRUE(done.is_as_declared());
  EXPECT_THAT(done.steps, IsEmpty());
  EXPECT_THAT(steps_of(plan(kTwoGroups, igb(0))), SizeIs(4));  // killed between 0 and the number
}

TEST(DeclaredPlan, AnotherNumberGoesThroughZeroAndWaitsForTheCarrier) {
  NicFacts facts = igb(2);
  facts.base.pf.link->carrier = true;
  EXPECT_THAT(steps_of(plan(R"("vfs": 3)", facts)),
              ElementsAre("remove the VFs of pf0", "create 3 VFs on pf0", "wait for 3 VFs and their netdevs",
                          "wait for the carrier of pf0"));
  EXPECT_THAT(steps_of(plan(R"("vfs": 0)", facts)),
              ElementsAre("remove the VFs of pf0", "wait for the carrier of pf0"));
}

TEST(DeclaredPlan, SetsVfsUpInTheOrderThatDriversTake) {
  EXPECT_THAT(
      steps_of(plan(R"("vfs": 1, "mtu": 9000, "groups": [{"vfs": "0", "trust": true, "spoofchk": false,
                              "maxTxRate": 100, "macs": ["02:00:00:00:00:01"]}])",
                    igb(1))),
      ElementsAre("set MTU 9000 on pf0", "set MAC address 02:00:00:00:00:01 on VF 0", "set spoofchk off on VF 0",
                  "set max_tx_rate 100 Mb/s on VF 0", "set trust on on VF 0", "set MTU 9000 on VF 0"));
}

TEST(DeclaredPlan, AMacThatTheNetdevDoesNotHaveIsADifference) {
  NicFacts facts = igb(1);
  const char* const declared = R"("vfs": 1, "groups": [{"vfs": "0", "macs": ["02:00:00:00:00:01"]}])";
  facts.base.pf.vfs[0].info->mac = MacAddress::parse("02:00:00:00:00:01");
  EXPECT_THAT(steps_of(plan(declared, facts)), SizeIs(1));
  facts.base.pf.vfs[0].link->mac = MacAddress::parse("02:00:00:00:00:01");
  EXPECT_TRUE(plan(declared, facts).is_as_declared());
}

TEST(DeclaredPlan, StableMacsAreOfOneVfEachAndTheSameEachTime) {
  const auto first = *MacAddress::parse("52:54:00:00:01:01"), second = *MacAddress::parse("52:54:00:00:01:02");
  EXPECT_EQ(stable_mac(first, 3), stable_mac(first, 3));
  EXPECT_NE(stable_mac(first, 1), stable_mac(second, 0));
  EXPECT_EQ(stable_mac(first, 0).bytes()[0] & 3, 2);
}

TEST(DeclaredPlan, LoadsTheModuleOfAUserSpaceDriver) {
  NicFacts facts = igb(4);
  facts.base.drivers = {"igb", "igbvf"};
  EXPECT_THAT(steps_of(plan(kTwoGroups, facts)),
              ElementsAre("load the kernel module vfio-pci", "bind VF 2 to vfio-pci", "bind VF 3 to vfio-pci"));
}

TEST(DeclaredPlan, TheDriverForDpdkIsWhatTheProfileHas) {
  constexpr const char* kGroup = R"("vfs": 1, "groups": [{"vfs": "0", "driver": "dpdk", "pool": "dpdk"}])";
  const NicPlan on_igb = plan(kGroup, igb(1));
  EXPECT_THAT(steps_of(on_igb), ElementsAre("bind VF 0 to vfio-pci"));
  EXPECT_THAT(on_igb.drivers, ElementsAre("vfio-pci"));
  NicFacts bifurcated = igb(1);
  bifurcated.profile.dpdk_bifurcated.value = true;
  EXPECT_TRUE(plan(kGroup, bifurcated).is_as_declared());
  bifurcated.base.pf.pci.address = "0000:02:00.0";
  const Declaration both = declared(R"({"select":{"driver":"igb"},)" + std::string(kGroup) + "}");
  const NodePlan node = plan_node(both, {igb(1), bifurcated});
  ASSERT_THAT(node.problems, SizeIs(1));
  EXPECT_THAT(node.problems[0].text, HasSubstr("not one pool"));
}

TEST(DeclaredPlan, NamesThatAreMissingAreGivenAgain) {
  constexpr const char* kNamed =
      R"("vfs": 2, "altName": "fabric0", "groups": [{"vfs": "0"}, {"vfs": "1", "driver": "vfio-pci"}])";
  NicFacts facts = igb(2);
  facts.base.pf.vfs[1].pci.driver = "vfio-pci";
  EXPECT_THAT(steps_of(plan(kNamed, facts)), ElementsAre("name pf0 fabric0 too", "name VF 0 of pf0 fabric0v0 too"));
  facts.base.pf.link->alt_names = {"enp1s0", "fabric0"};
  facts.base.pf.vfs[0].link->alt_names = {"fabric0v0"};
  EXPECT_TRUE(plan(kNamed, facts).is_as_declared());
  NicFacts second = igb(0, "0000:02:00.0", "pf1");
  const Declaration both = declared(R"({"select":{"driver":"igb"},"altName":"fabric0"})");
  ASSERT_THAT(plan_node(both, {igb(0), second}).problems, SizeIs(1));
  EXPECT_THAT(plan_node(both, {igb(0), second}).problems[0].text, HasSubstr("altName"));
}

TEST(DeclaredPlan, ACountChangesAtOnceOnlyWhereTheProfileSaysSo) {
  NicFacts facts = igb(2);
  facts.profile.vf_count_needs_zero.value = false;
  EXPECT_THAT(steps_of(plan(R"("vfs": 3)", facts)),
              ElementsAre("create 3 VFs on pf0", "wait for 3 VFs and their netdevs"));
  EXPECT_THAT(steps_of(plan(R"("vfs": 0)", facts)), ElementsAre("remove the VFs of pf0"));
}

TEST(DeclaredNode, WhatDpdkDoesNotDriveCannotBeRequiredOfIt) {
  const auto on = [](const char* driver, bool bifurcated) {
    NicFacts facts = igb(1);
    facts.profile.dpdk_bifurcated.value = bifurcated;
    const Declaration one = declared(fmt::format(R"({{"select":{{"driver":"igb"}},"vfs":1,
                                "groups":[{{"vfs":"0","driver":"{}","verify":"require"}}]}})",
                                                 driver));
    return find_problems(one.nics.at(0), facts);
  };
  EXPECT_THAT(on("vfio-pci", false), IsEmpty());
  EXPECT_THAT(on("dpdk", true), IsEmpty());
  for (const auto& [driver, bifurcated] : {std::pair{"vfio-pci", true}, {"netdev", false}}) {
    ASSERT_THAT(on(driver, bifurcated), SizeIs(1)) << driver;
    EXPECT_THAT(on(driver, bifurcated)[0].text, HasSubstr("verify"));
  }
}

TEST(DeclaredPlan, BringsThePfUpThatHasVfs) {
  NicFacts facts = igb(1);
  facts.base.pf.link->flags = 0;
  EXPECT_THAT(steps_of(plan(R"("vfs": 1)", facts)), ElementsAre("bring up pf0"));
  facts = igb(0);
  facts.base.pf.link->flags = 0;
  EXPECT_TRUE(plan(R"("vfs": 0)", facts).is_as_declared());
}

TEST(DeclaredPlan, EveryHolderIsNamedAndThenNothingIsDone) {
  NicFacts facts = igb(2);
  facts.base.in_use[1] = "attachment blue/a/net1 holds it";
  facts.base.default_route = "the default route leaves by br0";
  facts.obstacles = {"it is the last link of bond0 that has a carrier"};
  const NicPlan refused = plan(R"("vfs": 3)", facts);
  EXPECT_THAT(refused.refusals, ElementsAre("making its VFs anew: VF 1: attachment blue/a/net1 holds it",
                                            "making its VFs anew: the default route leaves by br0",
                                            "making its VFs anew: it is the last link of bond0 that has a carrier"));
  EXPECT_THAT(refused.steps, IsEmpty());
  EXPECT_THAT(refused.changes, Not(IsEmpty()));
  EXPECT_THAT(plan(R"("mtu": 9000)", facts).refusals, Contains(HasSubstr("changing its MTU")));
  EXPECT_TRUE(plan(R"("vfs": 2)", facts).is_as_declared());
}

TEST(DeclaredPlan, AVfInUseKeepsItsSettingsButNotAnotherDriver) {
  NicFacts facts = igb(4);
  facts.base.in_use[0] = "attachment blue/a/net1 holds it";
  const NicPlan kept = plan(R"("vfs": 4, "groups": [{"vfs": "0-3", "trust": true}])", facts);
  EXPECT_THAT(kept.kept, ElementsAre("VF 0: attachment blue/a/net1 holds it"));
  EXPECT_THAT(steps_of(kept), ElementsAre("set trust on on VF 1", "set trust on on VF 2", "set trust on on VF 3"));
  facts.base.in_use[2] = "its record is damaged";
  EXPECT_THAT(plan(kTwoGroups, facts).refusals, ElementsAre("binding VF 2 to vfio-pci: its record is damaged"));
}

TEST(DeclaredPlan, WhatOthersManageIsOnlyCompared) {
  const NicPlan external = plan(R"("vfs": 3, "externallyManaged": true)", igb(2));
  EXPECT_THAT(external.steps, IsEmpty());
  EXPECT_FALSE(external.is_as_declared());
}

/// A NIC with an eswitch; `steps` are its profile's.
NicFacts switching(std::uint32_t vfs, std::vector<hw::SwitchdevStep> steps) {
  NicFacts facts = igb(vfs);
  facts.eswitch = kernel::EswitchMode::legacy;
  facts.profile.switchdev.capability.support = hw::Capability::Support::yes;
  facts.profile.switchdev.steps.value = std::move(steps);
  return facts;
}

TEST(DeclaredPlan, GoesToSwitchdevByTheProfilesSteps) {
  using enum hw::SwitchdevStep;
  const char* const declared = R"("vfs": 2, "eswitch": "switchdev")";
  EXPECT_THAT(steps_of(plan(declared, switching(2, {remove_vfs, switchdev, hw_tc_offload, create_vfs}))),
              ElementsAre("remove the VFs of pf0", "set the eswitch of pf0 to switchdev", "set hw-tc-offload on pf0",
                          "create 2 VFs on pf0", "wait for 2 VFs and their netdevs"));
  EXPECT_THAT(
      steps_of(plan(declared, switching(0, {legacy, create_vfs, unbind_vfs, switchdev, hw_tc_offload, bind_vfs}))),
      ElementsAre("create 2 VFs on pf0", "wait for 2 VFs and their netdevs", "unbind VF 0 from its driver",
                  "unbind VF 1 from its driver", "set the eswitch of pf0 to switchdev", "set hw-tc-offload on pf0",
                  "bind VF 0 to igbvf", "bind VF 1 to igbvf"));
}

TEST(DeclaredPlan, ASwitchThatWasKilledHalfWayIsGoneOnWith) {
  using enum hw::SwitchdevStep;
  NicFacts facts = switching(2, {legacy, create_vfs, unbind_vfs, switchdev, hw_tc_offload, bind_vfs});
  facts.eswitch = kernel::EswitchMode::switchdev;
  facts.hw_tc_offload = false;
  for (vf::Vf& vf : facts.base.pf.vfs) vf.pci.driver.clear();
  EXPECT_THAT(steps_of(plan(R"("vfs": 2, "eswitch": "switchdev")", facts)),
              ElementsAre("set hw-tc-offload on pf0", "bind VF 0 to igbvf", "bind VF 1 to igbvf"));
}

TEST(DeclaredPlan, BackToLegacyWithoutVfs) {
  NicFacts facts = switching(2, {});
  facts.eswitch = kernel::EswitchMode::switchdev;
  EXPECT_THAT(steps_of(plan(R"("vfs": 2, "eswitch": "legacy")", facts)),
              ElementsAre("remove the VFs of pf0", "set the eswitch of pf0 to legacy", "create 2 VFs on pf0",
                          "wait for 2 VFs and their netdevs"));
}

std::vector<std::string> problems_of(const std::string& nics, const std::vector<NicFacts>& facts) {
  const Declaration declaration = declared(nics);
  std::vector<std::string> texts;
  for (const Problem& each : plan_node(declaration, facts).problems) texts.push_back(each.text);
  return texts;
}

TEST(DeclaredNode, WhatTheCardCannotBeIsToldAllAtOnce) {
  EXPECT_THAT(problems_of(R"({"select": {"name": "pf0"}, "vfs": 8, "eswitch": "switchdev", "groups": [
                            {"vfs": "0", "driver": "igb_vf", "minTxRate": 5},
                            {"vfs": "1", "maxTxRate": 2000}]})",
                          {igb(0)}),
              ElementsAre(HasSubstr("\"nics[0].vfs\" is 8; pf0 can have at most 7"),
                          HasSubstr("\"nics[0].eswitch\" is \"switchdev\"; pf0"), HasSubstr("is \"igbvf\" meant?"),
                          HasSubstr("refuses every minimum but 0"), HasSubstr("takes at most 1000")));
}

TEST(DeclaredNode, TwoEntriesForOneNicAreRefusedWhateverTheyChooseItBy) {
  EXPECT_THAT(problems_of(R"({"select": {"name": "pf0"}}, {"select": {"pci": "01:00.0"}})", {igb(0)}),
              ElementsAre(HasSubstr("nics[1]: pf0 is declared at node.json: nics[0] already")));
  EXPECT_THAT(problems_of(R"({"select": {"driver": "igb"}, "vfs": 1,
                             "groups": [{"vfs": "0", "macs": ["02:00:00:00:00:01"]}]})",
                          {igb(0), igb(0, "0000:02:00.0", "pf1")}),
              ElementsAre(HasSubstr("chooses both pf0 and pf1")));
}

TEST(DeclaredNode, NicsAreChosenByAnyOfTheirMarks) {
  NicFacts facts = igb(0);
  facts.base.pf.link->alt_names = {"rack7"};
  facts.base.pf.link->perm_mac = MacAddress::parse("52:54:00:00:01:01");
  facts.slot = "3";
  for (const char* select : {R"("pci": "01:00.0")", R"("name": "pf0")", R"("name": "rack7")", R"("altName": "rack7")",
                             R"("device": "8086:10c9")", R"("mac": "52:54:00:00:01:01")", R"("slot": "3")",
                             R"("driver": "igb", "slot": "3")"}) {
    const Declaration declaration = declared(fmt::format(R"({{"select": {{{}}}}})", select));
    EXPECT_THAT(plan_node(declaration, {facts}).nics, SizeIs(1)) << select;
  }
  for (const char* select : {R"("altName": "pf0")", R"("driver": "igb", "slot": "4")", R"("device": "8086:10ca")"}) {
    const Declaration declaration = declared(fmt::format(R"({{"select": {{{}}}}})", select));
    EXPECT_THAT(plan_node(declaration, {facts}).absent, SizeIs(1)) << select;
  }
}

TEST(DeclaredNode, PoolsAreWrittenAsTheDaemonReadsThem) {
  const Declaration declaration = declared(std::string(R"({"select": {"driver": "igb"},)") + kTwoGroups + "}");
  const std::string text = pools_document(declaration, plan_node(declaration, {igb(4), igb(4, "0000:02:00.0", "pf1")}));
  const auto pools = inventory::parse_pools(text, "pools.json", "");
  EXPECT_THAT(pools.problems, IsEmpty());
  ASSERT_THAT(pools.pools, SizeIs(2));
  EXPECT_EQ(pools.pools[0].resource(), "barewire.io/net");
  EXPECT_THAT(pools.pools[0].selectors.at(0).root_devices, SizeIs(2));
  EXPECT_EQ(pools.pools[1].driver_mode, "vfio-pci");
}

/// The node's files as they are read: a PF of which no netdev is to be seen is not free to be changed.
TEST(DeclaredFacts, APfWithoutANetdevHereIsSomebodys) {
  test::FakeSysfs sysfs;
  test::PrivateDirectory run;
  sysfs.add({.address = "0000:01:00.0", .driver = "igb", .netdev = "", .total_vfs = 7});
  sysfs.tree().write("bus/pci/slots/3/address", "0000:01:00\n");
  Node node;
  node.sysfs = sysfs.root();
  node.run_dir = run.path();
  node.cni_state_dir = run.path();
  const auto facts = read_facts(node);
  ASSERT_THAT(facts, SizeIs(1));
  EXPECT_EQ(facts[0].slot, "3");
  EXPECT_THAT(facts[0].obstacles, ElementsAre(HasSubstr("its netdev is in another netns")));
  const NicPlan refused = plan(R"("vfs": 2)", facts[0]);
  EXPECT_THAT(refused.refusals, ElementsAre(HasSubstr("driver igb is bound")));
  EXPECT_THAT(refused.steps, IsEmpty());
}

TEST(DeclaredPools, AreWrittenWhenTheyDifferAndTakenAwayWithTheDeclaration) {
  test::PrivateDirectory run;
  Node node;
  node.run_dir = run.path();
  EXPECT_FALSE(compare_pools(node, ""));
  ASSERT_TRUE(compare_pools(node, "{}\n"));
  write_pools(node, "{}\n");
  EXPECT_FALSE(compare_pools(node, "{}\n"));
  write_pools(node, "");
  EXPECT_FALSE(compare_pools(node, ""));
}

}  // namespace
}  // namespace barewire::declared
