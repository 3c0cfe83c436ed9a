// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <chrono>
#include <thread>

#include "core/fd.h"
#include "core/state/store.h"
#include "tests/lab/device-manager/admin_lab.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

/// The line of `text` that begins with VF number `id`.
std::string line_of(const std::string& text, int id) {
  const std::string start = fmt::format("\n{:>4}  ", id);
  const std::size_t from = text.find(start);
  return from == std::string::npos ? "" : text.substr(from + 1, text.find('\n', from + 1) - from - 1);
}

std::string states(const boost::json::value& list) {
  std::string text;
  for (const auto& vf : list.at("pfs").at(0).at("vfs").as_array())
    text += std::string(vf.at("state").as_string()) + " ";
  return text;
}

TEST_F(AdminLab, ListNamesTheThreeHoldersAndIsAsAtTheStartAfterDel) {
  const std::string before = barewire({"list", "--pf", kPf}).out;
  EXPECT_THAT(before, HasSubstr("pf0  0000:01:00.0  igb  Intel 82576"));
  EXPECT_THAT(before, HasSubstr("4 of 7 VFs, 4 free"));
  attach("web-0", 0, 100);
  attach("web-1", 1, 100);
  attach("db-0", 2, 200);

  const std::string table = barewire({"list"}).out;
  EXPECT_THAT(table, HasSubstr("4 of 7 VFs, 1 free"));
  EXPECT_THAT(line_of(table, 0), MatchesRegex(".* 100 .* in pod +default/web-0 +vlan100 +net1"));
  EXPECT_THAT(line_of(table, 1), MatchesRegex(".* 100 .* in pod +default/web-1 +vlan100 +net1"));
  EXPECT_THAT(line_of(table, 2), MatchesRegex(".* 200 .* in pod +default/db-0 +vlan200 +net1"));
  EXPECT_THAT(line_of(table, 3), MatchesRegex(".* free .*"));
  EXPECT_THAT(barewire({"list", "-o", "wide"}).out, HasSubstr("/run/netns/db-0"));

  for (const auto& [name, id, vlan] : {std::tuple{"web-0", 0, 100}, {"web-1", 1, 100}, {"db-0", 2, 200}})
    ASSERT_TRUE(runner_.del("sriov", config(id, vlan), call(name)).ok());
  EXPECT_EQ(barewire({"list", "--pf", kPf}).out, before);
}

TEST_F(AdminLab, JsonAndFiltersTellWhoHoldsWhat) {
  attach("web-0", 0, 100);
  attach("db-0", 2, 200);
  const auto list = barewire_json({"list", "--pf", kPf});
  EXPECT_EQ(states(list), "in_pod free in_pod free ");
  const auto& vf = list.at("pfs").at(0).at("vfs").at(0);
  EXPECT_EQ(std::string(vf.at("pci").as_string()), address_of(0));
  EXPECT_EQ(vf.at("driver"), "igbvf");
  EXPECT_EQ(vf.at("netdev"), boost::json::value(nullptr));
  EXPECT_EQ(vf.at("attributes").at("vlan"), 100);
  EXPECT_EQ(vf.at("holder").at("containerID"), "cid-web-0");
  const auto& pf = list.at("pfs").at(0);
  EXPECT_EQ(pf.at("profile"), "intel-igb");
  EXPECT_EQ(pf.at("vfsTotal"), 7);
  EXPECT_EQ(pf.at("vfsFree"), 2);
  const auto one = barewire_json({"list", "--pod", "default/db-0"});
  ASSERT_EQ(one.at("pfs").as_array().size(), 1U);
  ASSERT_EQ(one.at("pfs").at(0).at("vfs").as_array().size(), 1U);
  EXPECT_EQ(one.at("pfs").at(0).at("vfs").at(0).at("id"), 2);
}

TEST_F(AdminLab, AVfUsedOnTheHostIsInUseElsewhere) {
  const std::string netdev = must_run(fmt::format("ls /sys/bus/pci/devices/{}/net", address_of(3)));
  const std::string name = netdev.substr(0, netdev.find('\n'));
  must_run(fmt::format("ip link set {0} up; ip address add 192.0.2.1/24 dev {0}", name));
  make_netns("other");
  const std::string second = must_run(fmt::format("ls /sys/bus/pci/devices/{}/net", address_of(2)));
  must_run(fmt::format("ip link set {} netns other", second.substr(0, second.find('\n'))));
  const auto list = barewire_json({"list", "--pf", kPf});
  EXPECT_EQ(states(list), "free free in_use_elsewhere in_use_elsewhere ");
  EXPECT_THAT(barewire({"list"}).out, HasSubstr(name + " is up with address 192.0.2.1/24"));
}

TEST_F(AdminLab, DanglingHoldersAreShownForWhatTheyAre) {
  attach("web-0", 0, 100);
  attach("web-1", 1, 100);
  delete_netns("web-0");
  write_text("/run/barewire/attachments/vlan100/cid-web-1@net1.sriov.json", "{");
  ASSERT_TRUE(state::Store("/run/barewire").claim(address_of(3), {"ghost", "cid", "net1", "sriov"}));

  const auto list = barewire_json({"list", "--pf", kPf});
  EXPECT_EQ(states(list), "drifted drifted free free ");  // a claim without a record keeps nobody from a VF
  const auto& vfs = list.at("pfs").at(0).at("vfs");
  EXPECT_EQ(std::string(vfs.at(0).at("drift").at(0).as_string()), "netns /run/netns/web-0 is gone");
  EXPECT_THAT(std::string(vfs.at(1).at("drift").at(0).as_string()), HasSubstr("is not valid JSON"));
  EXPECT_EQ(vfs.at(1).at("holder"), boost::json::value(nullptr));
  EXPECT_THAT(line_of(barewire({"list"}).out, 1), HasSubstr("damaged record"));
  for (const std::string command : {"list", "check", "repair"})
    EXPECT_EQ(barewire({command}).exit_status, 1) << command;
  const CommandResult refused = barewire({"provision", kPf, "--vfs", "0"});
  EXPECT_EQ(refused.exit_status, 3);
  EXPECT_THAT(refused.err, HasSubstr("VF 1: record "));
}

TEST_F(AdminLab, DriftIsShownCheckedAndRepaired) {
  attach("web-0", 0, 100);
  EXPECT_EQ(barewire({"check"}).exit_status, 0) << barewire({"check"}).out;
  EXPECT_EQ(barewire({"repair"}).out, "Nothing has drifted.\n");
  must_run("ip link set pf0 vf 0 vlan 300 trust on");

  const std::string table = barewire({"list"}).out;
  EXPECT_THAT(line_of(table, 0), MatchesRegex(".* 300 .* drifted +default/web-0 .*"));
  EXPECT_THAT(table, HasSubstr("vlan is 300"));
  const CommandResult check = barewire({"check"});
  EXPECT_EQ(check.exit_status, 1);
  EXPECT_THAT(check.out, HasSubstr("drifted"));

  const CommandResult foreseen = barewire({"repair", "--dry-run"});
  EXPECT_THAT(foreseen.out, HasSubstr("vlan"));
  EXPECT_EQ(barewire({"check"}).exit_status, 1);
  const CommandResult repaired = barewire({"repair"});
  EXPECT_EQ(repaired.exit_status, 0) << repaired.out << repaired.err;
  EXPECT_EQ(barewire({"check"}).exit_status, 0);
  EXPECT_THAT(must_run("ip link show pf0"), HasSubstr("vlan 100"));
}

TEST_F(AdminLab, GcBringsBackTheVfOfADeletedNetns) {
  const std::string before = barewire({"list", "--pf", kPf}).out;
  attach("web-0", 0, 100);
  attach("web-1", 1, 100);
  delete_netns("web-0");
  EXPECT_THAT(barewire({"gc", "--own-pid-namespace", "--dry-run", "--min-age", "0"}).out,
              HasSubstr("would delete attachment vlan100/cid-web-0/net1"));
  const CommandResult gc = barewire({"gc", "--own-pid-namespace", "--min-age", "0"});
  EXPECT_EQ(gc.exit_status, 0) << gc.out << gc.err;
  const auto records = state::Store("/run/barewire").list();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records.front().id.container_id, "cid-web-1");
  ASSERT_TRUE(runner_.del("sriov", config(1, 100), call("web-1")).ok());
  EXPECT_EQ(barewire({"list", "--pf", kPf}).out, before);
}

TEST_F(AdminLab, TheDaemonBringsItBackToo) {
  attach("web-0", 0, 100);
  ChildProcess daemon(
      command_of(built_program("barewired"), {"--own-pid-namespace", "--grace", "0", "--interval", "600"}));
  delete_netns("web-0");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  while (!state::Store("/run/barewire").list().empty() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_TRUE(state::Store("/run/barewire").list().empty());
  EXPECT_EQ(states(barewire_json({"list", "--pf", kPf})), "free free free free ");
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(std::chrono::seconds(20)).exit_status, 0);
}

TEST_F(AdminLab, WatchShowsAChangeOfAVfAttribute) {
  ChildProcess watch(command_of("sh", {"-c", "exec " + built_program("barewire") + " list --watch > /run/watch"}));
  const auto shows = [](const std::string& part, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
      if (read_file("/run/watch").value_or("").find(part) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  };
  ASSERT_TRUE(shows("4 of 7 VFs", std::chrono::seconds(20)));
  must_run("ip link set pf0 vf 1 vlan 321");
  EXPECT_TRUE(shows(" 321 ", std::chrono::seconds(8))) << read_file("/run/watch").value_or("");
  watch.signal(SIGTERM);
}

TEST_F(AdminLab, ShowTellsOriginalStateHolderAndDrift) {
  attach("web-0", 0, 100);
  const std::string address = address_of(0);
  const CommandResult result = barewire({"show", address});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  for (const char* part : {"VF 0 of pf0", "default/web-0", "cid-web-0", "Kept for DEL and CHECK", "/run/netns/web-0"})
    EXPECT_THAT(result.out, HasSubstr(part));
  must_run("ip link set pf0 vf 0 vlan 300");
  const CommandResult drifted = barewire({"show", address});
  EXPECT_EQ(drifted.exit_status, 1);
  EXPECT_THAT(drifted.out, HasSubstr("vlan is 300"));
  EXPECT_THAT(barewire({"show", kPf}).out, HasSubstr("intel-igb"));
  EXPECT_EQ(barewire_json({"show", kPf}).at("pci"), kPfAddress);
}

TEST_F(AdminLab, ExplainTellsTheStepsOrTheRefusalAndTouchesNothing) {
  const std::string before = must_run("ip -d link show pf0");
  const std::string steps = barewire({"explain", "-", "--device", address_of(0)}, config(0, 100)).out;
  EXPECT_THAT(steps, HasSubstr("vlan to 100"));
  const std::string impossible = fmt::format(
      R"({{"cniVersion":"1.0.0","name":"n","type":"sriov","deviceID":"{}","link_state":"enable"}})", address_of(0));
  const CommandResult refused = barewire({"explain", "-"}, impossible);
  EXPECT_EQ(refused.exit_status, 1) << refused.out;
  EXPECT_THAT(refused.out, HasSubstr("ADD would be refused with code 103"));
  const CommandResult fallen =
      barewire({"explain", "-"}, impossible.substr(0, impossible.size() - 1) + R"(,"fallback":{"type":"bridge"}})");
  EXPECT_EQ(fallen.exit_status, 0) << fallen.out;
  EXPECT_THAT(fallen.out, HasSubstr("(unsupported)"));
  EXPECT_THAT(fallen.out, HasSubstr("fallback: call ADD of bridge"));
  EXPECT_EQ(must_run("ip -d link show pf0"), before);
}

}  // namespace
}  // namespace barewire::test
