// SPDX-License-Identifier: Apache-2.0
#include "device-manager/state/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/fake_sysfs.h"

namespace barewire::declared {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

Declaration parsed(std::string_view text) {
  Declaration declaration;
  add_file(declaration, "node.json", text);
  check_together(declaration);
  return declaration;
}

std::vector<std::string> problems_of(std::string_view text) {
  std::vector<std::string> texts;
  for (const Problem& each : parsed(text).problems) texts.push_back(each.text);
  return texts;
}

/// One NIC chosen by name, with `rest` in it.
std::string nic(const std::string& rest) {
  return R"({"nics":[{"select":{"name":"ens1f0"},)" + rest + "}]}";
}

TEST(DeclarationReader, ReadsWhatANicShallBe) {
  const Declaration declaration = parsed(R"({"comment": "rack 7", "$schema": "node.schema.json", "nics": [{
      "select": [{"pci": "01:00.0", "driver": "igb"}, {"device": "8086:10C9", "slot": "3"}],
      "vfs": 7, "eswitch": "legacy", "mtu": 9000, "externallyManaged": true,
      "groups": [
        {"vfs": "0-2,4", "trust": true, "spoofchk": false, "maxTxRate": 100, "pool": "fast",
         "macs": ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"]},
        {"vfs": "5-6", "driver": "vfio-pci", "macs": "stable", "mtu": 1500}]}]})");
  EXPECT_THAT(declaration.problems, IsEmpty());
  ASSERT_THAT(declaration.nics, SizeIs(1));
  const Nic& nic = declaration.nics[0];
  ASSERT_THAT(nic.selectors, SizeIs(2));
  EXPECT_EQ(nic.selectors[0].text(), "pci 0000:01:00.0, driver igb");
  EXPECT_EQ(nic.selectors[1].text(), "device 8086:10c9, slot 3");
  EXPECT_EQ(nic.vfs, 7U);
  EXPECT_EQ(nic.eswitch, kernel::EswitchMode::legacy);
  EXPECT_EQ(nic.mtu, 9000U);
  EXPECT_TRUE(nic.externally_managed);
  ASSERT_THAT(nic.groups, SizeIs(2));
  EXPECT_THAT(nic.groups[0].ranges, ElementsAre(Pair(0, 2), Pair(4, 4)));
  EXPECT_EQ(nic.groups[0].driver, "netdev");
  EXPECT_EQ(nic.groups[0].settings.trust, true);
  EXPECT_EQ(nic.groups[0].settings.spoof_check, false);
  EXPECT_EQ(nic.groups[0].settings.max_tx_rate, 100U);
  EXPECT_EQ(nic.groups[1].driver, "vfio-pci");
  EXPECT_TRUE(nic.groups[1].stable_macs);
  EXPECT_EQ(nic.group_of(4), &nic.groups[0]);
  EXPECT_EQ(nic.group_of(3), nullptr);
}

TEST(DeclarationReader, TellsEverythingThatIsWrongAtOnceWithFileAndKey) {
  EXPECT_THAT(problems_of(R"({"nisc": [], "nics": [
                {"select": {"nmae": "ens1f0"}, "vfs": "7", "mtu": 12},
                {"vfs": 2, "groups": [{"vfs": "0-1", "driver": "vdpa"}, {"driver": "netdev"}]}]})"),
              ElementsAre(AllOf(HasSubstr("node.json: key \"nisc\""), HasSubstr("is \"nics\" meant?")),
                          AllOf(HasSubstr("\"nics[0].select.nmae\""), HasSubstr("is \"name\" meant?")),
                          HasSubstr("\"nics[0].vfs\" is \"7\""), HasSubstr("\"nics[0].mtu\" is 12"),
                          HasSubstr("\"nics[1].groups[0].driver\" is \"vdpa\""), HasSubstr("nics[1].groups[1].vfs"),
                          HasSubstr("nics[1].select")));
}

TEST(DeclarationReader, SuggestsForShortKeysToo) {
  EXPECT_THAT(problems_of(nic(R"("vf": 7)")), ElementsAre(HasSubstr("is \"vfs\" meant?")));
  EXPECT_THAT(problems_of(nic(R"("mut": 1500)")), ElementsAre(HasSubstr("is \"mtu\" meant?")));
  EXPECT_THAT(problems_of(nic(R"("VFs": 7)")), ElementsAre(HasSubstr("is \"vfs\" meant?")));
}

TEST(DeclarationReader, RangesThatOverlapAreRefusedWithBothGroups) {
  EXPECT_THAT(problems_of(nic(R"("vfs": 7, "groups": [{"vfs": "0-3"}, {"vfs": "3-6"}])")),
              ElementsAre(AllOf(HasSubstr("nics[0].groups[1].vfs"), HasSubstr("overlaps with nics[0].groups[0]"))));
  EXPECT_THAT(problems_of(nic(R"("vfs": 7, "groups": [{"vfs": "0-3,2"}])")), ElementsAre(HasSubstr("each VF once")));
  EXPECT_THAT(problems_of(nic(R"("vfs": 4, "groups": [{"vfs": "2-4"}])")),
              ElementsAre(HasSubstr("the NIC has 4 VFs, numbered from 0")));
}

TEST(DeclarationReader, GroupsNeedTheNumberOfVfs) {
  EXPECT_THAT(problems_of(nic(R"("groups": [{"vfs": "0"}])")), ElementsAre(HasSubstr("\"vfs\" beside it")));
}

TEST(DeclarationReader, APoolOrAnAddressOrANicThatIsNamedTwiceIsRefused) {
  EXPECT_THAT(problems_of(nic(R"("vfs": 2, "groups": [{"vfs": "0", "pool": "a"}, {"vfs": "1", "pool": "a"}])")),
              ElementsAre(AllOf(HasSubstr("groups[1]: pool a is declared"), HasSubstr("groups[0] already"))));
  EXPECT_THAT(
      problems_of(nic(R"("vfs": 2, "groups": [{"vfs": "0-1", "macs": ["02:00:00:00:00:01", "02:00:00:00:00:01"]}])")),
      ElementsAre(HasSubstr("MAC address 02:00:00:00:00:01 is declared")));
  EXPECT_THAT(problems_of(R"({"nics": [{"select": {"name": "a"}}, {"select": {"name": "a"}}]})"),
              ElementsAre(HasSubstr("nics[1]: the NIC with name a is declared at node.json: nics[0] already")));
}

TEST(DeclarationReader, NumbersHaveToAgree) {
  EXPECT_THAT(problems_of(nic(R"("vfs": 2, "groups": [{"vfs": "0-1", "macs": ["02:00:00:00:00:01"]}])")),
              ElementsAre(HasSubstr("2 MAC addresses")));
  EXPECT_THAT(problems_of(nic(R"("vfs": 1, "groups": [{"vfs": "0", "minTxRate": 9, "maxTxRate": 8}])")),
              ElementsAre(HasSubstr("at most maxTxRate, 8")));
  EXPECT_THAT(problems_of(nic(R"("vfs": 1, "mtu": 1500, "groups": [{"vfs": "0", "mtu": 9000}])")),
              ElementsAre(HasSubstr("at most the NIC's, 1500")));
}

TEST(DeclarationReader, BridgesAreNamedOnceWithOneUplinkEachAndOneSwitch) {
  EXPECT_THAT(
      problems_of(R"({"bridges": [{"name": "br-ex", "uplink": "ens1f0", "datapath": "system", "hwOffload": true},
                                          {"name": "br-in"}]})"),
      IsEmpty());
  EXPECT_THAT(
      problems_of(R"({"bridges": [{"name": "a", "uplink": "u", "hwOffload": true},
                                          {"name": "a", "uplink": "u", "hwOffload": false}]})"),
      ElementsAre(HasSubstr("bridge a is declared"), HasSubstr("uplink u is declared"), HasSubstr("hwOffload")));
  EXPECT_THAT(problems_of(R"({"bridges": [{"datapath": "dpdk"}, {"name": "a/b"}, {"name": "a", "uplinks": "u"}]})"),
              ElementsAre(HasSubstr("netdev"), HasSubstr("bridges[0].name"), HasSubstr("15 characters"),
                          HasSubstr("\"uplink\" meant")));
}

TEST(DeclarationReader, TheRdmaModeIsOneOfTwo) {
  EXPECT_THAT(problems_of(R"({"rdmaMode": "exclusive"})"), IsEmpty());
  EXPECT_THAT(problems_of(R"({"rdmaMode": "private"})"),
              ElementsAre(AllOf(HasSubstr("rdmaMode"), HasSubstr(R"("exclusive" or "shared")"))));
  EXPECT_THAT(problems_of(R"({"rdma": "exclusive"})"), ElementsAre(HasSubstr("\"rdma\"")));
}

TEST(DeclarationReader, WhatIsNotDoneIsRefusedAndNotIgnored) {
  EXPECT_THAT(problems_of(R"({"nics": {}})"), ElementsAre(HasSubstr("a list of NICs")));
  EXPECT_THAT(problems_of(R"({"nics": [)"), ElementsAre(HasSubstr("node.json is not valid JSON")));
  EXPECT_THAT(problems_of(R"({"nics": [{"select": {}}, 7]})"),
              ElementsAre(HasSubstr("at least one key"), HasSubstr("nics[1]")));
}

class DeclarationFiles : public ::testing::Test {
 protected:
  test::PrivateDirectory directory_;
  std::string file_ = directory_.path() + "/node.json";
};

TEST_F(DeclarationFiles, NoneDeclaresNothing) {
  EXPECT_TRUE(read_declaration(file_).is_empty());
}

TEST_F(DeclarationFiles, TheDirectoryCountsWithoutTheFileAndInOrderOfNames) {
  directory_.write("node.d/20-b.json", R"({"nics": [{"select": {"name": "b"}}]})");
  directory_.write("node.d/10-a.json", R"({"nics": [{"select": {"name": "a"}}]})");
  directory_.write("node.d/ignored.txt", "not JSON");
  const Declaration declaration = read_declaration(file_);
  EXPECT_THAT(declaration.problems, IsEmpty());
  ASSERT_THAT(declaration.nics, SizeIs(2));
  EXPECT_EQ(declaration.nics[0].place(), directory_.path() + "/node.d/10-a.json: nics[0]");
}

TEST_F(DeclarationFiles, OneNicInTwoFilesAndAFileThatOthersMayWriteAreBothTold) {
  directory_.write("node.json", R"({"nics": [{"select": {"name": "a"}}]})");
  directory_.write("node.d/1.json", R"({"nics": [{"select": {"name": "a"}}]})");
  ASSERT_EQ(::chmod(directory_.write("node.d/2.json", "{}").c_str(), 0666), 0);
  const auto problems = read_declaration(file_).problems;
  ASSERT_THAT(problems, SizeIs(2));
  EXPECT_THAT(problems[0].text, AllOf(HasSubstr("2.json"), HasSubstr("others than root may write it")));
  EXPECT_THAT(problems[1].text, AllOf(HasSubstr("1.json: nics[0]"), HasSubstr("node.json: nics[0] already")));
}

TEST_F(DeclarationFiles, ADirectoryThatOthersMayWriteCountsWhereSomethingIsDeclared) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
  EXPECT_THAT(read_declaration(file_).problems, IsEmpty());
  directory_.write("node.json", "{}");
  EXPECT_THAT(read_declaration(file_).problems, SizeIs(1));
}

TEST_F(DeclarationFiles, AFifoDoesNotHang) {
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  ASSERT_THAT(read_declaration(file_).problems, SizeIs(1));
}

}  // namespace
}  // namespace barewire::declared
