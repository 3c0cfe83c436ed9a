// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "core/fd.h"
#include "core/state/store.h"
#include "tests/plugin/device-manager/admin_fixture.h"
#include "tests/support/process.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(AdminTest, ListOnANodeWithoutNicsSaysSo) {
  const CommandResult result = barewire({"list"});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_EQ(result.out, "No NIC of this node can have virtual functions.\n");
  EXPECT_EQ(barewire_json({"list"}).at("pfs").as_array().size(), 0U);
}

TEST_F(AdminTest, ListAllShowsWhoHoldsADeviceThatIsNoVf) {
  attach("web-0", "h0");
  const boost::json::value document = barewire_json({"list", "--all"});
  ASSERT_EQ(document.at("attachments").as_array().size(), 1U);
  const auto& other = document.at("attachments").at(0);
  EXPECT_EQ(other.at("device"), "h0");
  EXPECT_EQ(other.at("holder").at("network"), "blue");
  EXPECT_EQ(other.at("holder").at("containerID"), "cid-web-0");
  EXPECT_EQ(other.at("holder").at("pod").at("name"), "web-0");
  EXPECT_EQ(other.at("drift"), boost::json::value(boost::json::array()));
  EXPECT_THAT(barewire({"list", "--all"}).out, HasSubstr("default/web-0"));
  EXPECT_THAT(barewire({"list", "--all", "--pod", "web-1"}).out, HasSubstr("Nothing matches"));
}

TEST_F(AdminTest, CheckPassesUntilSomethingDrifts) {
  attach("web-0", "h0");
  attach("web-1", "h1");
  const CommandResult fine = barewire({"check"});
  EXPECT_EQ(fine.exit_status, 0) << fine.out << fine.err;
  EXPECT_THAT(fine.out, HasSubstr("2 of 2 attachments are as they were made.\n"));

  must_run_in("/run/netns/web-1", "ip link set net1 down; ip link set net1 name other0");
  const CommandResult drifted = barewire({"check"});
  EXPECT_EQ(drifted.exit_status, 1) << drifted.out;
  EXPECT_THAT(drifted.out, HasSubstr("1 of 2 attachments"));
  const boost::json::value document = barewire_json({"check", "--pod", "default/web-1"});
  ASSERT_EQ(document.at("checks").as_array().size(), 1U);
  EXPECT_NE(document.at("checks").at(0).at("verdict"), "ok");
  EXPECT_EQ(barewire({"check", "--pod", "web-0"}).exit_status, 0);
}

TEST_F(AdminTest, StatusIsFineUntilAPodIsGone) {
  attach("web-0", "h0");
  const CommandResult fine = barewire({"status", "--own-pid-namespace"});
  EXPECT_EQ(fine.exit_status, 0) << fine.out << fine.err;
  EXPECT_THAT(fine.out, HasSubstr("This node is fine.\n"));
  EXPECT_THAT(fine.out, HasSubstr("1 attachment that holds no VF"));
  EXPECT_EQ(barewire_json({"status", "--own-pid-namespace"}).at("otherAttachments"), 1);
}

TEST_F(AdminTest, ReportTellsEveryPartAndNoSecret) {
  attach("web-0", "h0");
  const TempDir directory;
  write_text(directory / "10-a.conf", R"({"type":"bridge","token":"hunter2"})");
  write_text(directory / "20-b.conf", "{");
  const CommandResult result = barewire({"report", "--conf-dir", directory.path()});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.out, Not(HasSubstr("hunter2")));
  const boost::json::value report = boost::json::parse(result.out);
  for (const char* part : {"system", "nics", "attachments", "doctor", "policy", "pools", "networks"})
    EXPECT_TRUE(report.as_object().contains(part)) << part;
  EXPECT_EQ(report.at_pointer("/attachments/value/0/containerID"), "cid-web-0");
  EXPECT_EQ(report.at_pointer("/networks/value/10-a.conf/value/token"), "(left out)");
  EXPECT_TRUE(report.at_pointer("/networks/value/20-b.conf").as_object().contains("error"));
}

TEST_F(AdminTest, ValidateFindsEveryWrongKeyAndSaysSoByItsExit) {
  const std::string wrong =
      R"({"cniVersion":"1.0.0","name":"a","plugins":[{"type":"bridge","vlan":5000,"mtu":"x"},{"type":"portmap","backend":"ebpf"}]})";
  const CommandResult result = barewire({"validate", "-"}, wrong);
  EXPECT_EQ(result.exit_status, 1) << result.out << result.err;
  for (const char* key : {"\"vlan\"", "\"mtu\"", "\"backend\""}) EXPECT_THAT(result.out, HasSubstr(key));
  const CommandResult right = barewire({"validate", "-"}, R"({"cniVersion":"1.0.0","name":"a","type":"bridge"})");
  EXPECT_EQ(right.exit_status, 0) << right.out;
  EXPECT_EQ(right.out, "standard input: network \"a\" (bridge) is valid\n");
}

TEST_F(AdminTest, ExplainTellsOfEveryPlugin) {
  const CommandResult result = barewire(
      {"explain", "-"},
      R"({"cniVersion":"1.0.0","name":"a","plugins":[{"type":"bridge","bridge":"cni7"},{"type":"portmap"},{"type":"x"}]})");
  EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("cni7"));
  EXPECT_THAT(result.out, HasSubstr("x: not a plugin of this suite"));
  const CommandResult refused =
      barewire({"explain", "-"}, R"({"cniVersion":"1.0.0","name":"a","type":"bridge","vlan":5000})");
  EXPECT_EQ(refused.exit_status, 1) << refused.out;
  EXPECT_THAT(refused.out, HasSubstr("ADD would be refused with code 7"));
}

TEST_F(AdminTest, AMisspeltCommandIsAnsweredWithTheOneThatWasMeant) {
  EXPECT_THAT(barewire({"lsit"}).err, HasSubstr("is \"list\" meant?"));
  const CommandResult alone = barewire({});
  EXPECT_EQ(alone.exit_status, 0);
  EXPECT_THAT(alone.out, HasSubstr("Subcommands:"));
}

TEST_F(AdminTest, RepairOfAPodThatIsGoneLeadsToGc) {
  attach("web-0", "h0");
  delete_netns("web-0");
  const CommandResult result = barewire({"repair"});
  EXPECT_EQ(result.exit_status, 1) << result.out;
  EXPECT_THAT(result.out, HasSubstr("its pod is gone"));
  EXPECT_THAT(result.out, HasSubstr("barewire gc"));
}

TEST_F(AdminTest, GcDeletesWhatADeadPodLeftAndNothingElse) {
  attach("web-0", "h0");
  attach("web-1", "h1");
  delete_netns("web-0");

  const CommandResult young = barewire({"gc", "--own-pid-namespace"});
  EXPECT_EQ(young.exit_status, 0) << young.err;
  EXPECT_THAT(young.out, HasSubstr("left attachment blue/cid-web-0/net1 of pod default/web-0 (host-device)"));

  const CommandResult foreseen = barewire({"gc", "--own-pid-namespace", "--dry-run", "--min-age", "0"});
  EXPECT_THAT(foreseen.out,
              HasSubstr("would delete attachment blue/cid-web-0/net1 of pod default/web-0 (host-device)"));
  EXPECT_EQ(state::Store("/run/barewire").list().size(), 2U);

  const CommandResult done = barewire({"gc", "--own-pid-namespace", "--min-age", "0"});
  EXPECT_EQ(done.exit_status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("deleted attachment blue/cid-web-0/net1 of pod default/web-0 (host-device)"));
  EXPECT_THAT(done.out, Not(HasSubstr("web-1")));
  ASSERT_EQ(state::Store("/run/barewire").list().size(), 1U);
  EXPECT_EQ(state::Store("/run/barewire").list().front().id.container_id, "cid-web-1");
  EXPECT_EQ(barewire({"gc", "--own-pid-namespace", "--min-age", "0"}).out, "Nothing to collect.\n");
}

TEST_F(AdminTest, GcReleasesAClaimWithoutARecord) {
  state::Store store("/run/barewire");
  ASSERT_TRUE(store.claim("0000:01:10.0", {"blue", "cid", "net1", "sriov"}));
  EXPECT_EQ(barewire({"gc", "--own-pid-namespace"}).out, "Nothing to collect.\n");
  EXPECT_THAT(barewire({"gc", "--own-pid-namespace", "--min-age", "0"}).out, HasSubstr("claim on 0000:01:10.0"));
  EXPECT_THAT(store.claims(), IsEmpty());
}

TEST_F(AdminTest, ADamagedRecordIsNamedAndEverythingElseIsShown) {
  attach("web-0", "h0");
  write_text("/run/barewire/attachments/blue/x@net1.sriov.json", "{");
  const CommandResult result = barewire({"list", "--all"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.out, HasSubstr("default/web-0"));
  EXPECT_THAT(result.err, HasSubstr("x@net1.sriov.json"));
  for (const char* command : {"check", "repair"}) {
    const CommandResult told = barewire({command});
    EXPECT_EQ(told.exit_status, 1) << command;
    EXPECT_THAT(told.out, HasSubstr("x@net1.sriov.json")) << command;
    EXPECT_EQ(barewire_json({command}).at("unreadableRecords").as_array().size(), 1U) << command;
  }
}

TEST_F(AdminTest, WatchPrintsAgainWhenAPodComes) {
  ChildProcess watch(
      command_of("sh", {"-c", "exec " + built_program("barewire") + " list --watch --all -o json > /run/watch"}));
  const auto lines = [] {
    const std::string text = read_file("/run/watch").value_or("");
    return std::count(text.begin(), text.end(), '\n');
  };
  ASSERT_TRUE(within(std::chrono::seconds(20), [&] { return lines() == 1; }));
  attach("web-0", "h0");
  EXPECT_TRUE(within(std::chrono::seconds(8), [&] {
    return read_file("/run/watch").value_or("").find("cid-web-0") != std::string::npos;
  })) << read_file("/run/watch").value_or("");
  watch.signal(SIGTERM);
}

TEST_F(AdminTest, ExitStatusesAreAsDocumented) {
  EXPECT_EQ(barewire({}).exit_status, 0);
  EXPECT_EQ(barewire({"list", "--nonsense"}).exit_status, 2);
  EXPECT_EQ(barewire({"list", "--state", "lost"}).exit_status, 2);
  EXPECT_EQ(barewire({"--version"}).exit_status, 0);
  EXPECT_EQ(barewire({"list", "--help"}).exit_status, 0);
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"show", "0000:99:00.0"},
                                                    {"provision", "lo", "--vfs", "1"},
                                                    {"explain", "/proc/nonexistent"}}) {
    const CommandResult result = barewire(arguments);
    EXPECT_EQ(result.exit_status, 4) << result.err;
    EXPECT_THAT(result.err, ::testing::MatchesRegex("barewire: [^\n]+\n          [^\n]+\n"));
    EXPECT_THAT(result.out, IsEmpty());
  }
}

TEST_F(AdminTest, ErrorsOfTheCommandLineNameTheHelp) {
  const CommandResult result = barewire({"provision", "ens1f0"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.err, HasSubstr("--vfs"));
  EXPECT_THAT(result.err, HasSubstr("try `barewire provision --help`"));
}

TEST_F(AdminTest, AnUnknownCommandIsNamed) {
  const CommandResult result = barewire({"lst"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_EQ(result.err, "barewire: there is no command lst\n          try `barewire --help`\n");
}

TEST_F(AdminTest, NoColoursAndNoEscapesWhereThereIsNoTerminal) {
  attach("web-0", "h0");
  EXPECT_THAT(barewire({"list", "--all"}).out, Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace barewire::test
