// SPDX-License-Identifier: Apache-2.0
/// Not knowing is neither absent nor dead: each look of GC, the reaper and the node's commands is made to fail in turn.
/// What lives stays whatever fails, and an exit status of 0 means that everything was looked at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <functional>
#include <memory>

#include "core/fd.h"
#include "tests/support/command.h"
#include "tests/support/fault.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kBridge =
    R"({"cniVersion":"1.1.0","name":"mynet","type":"bridge","bridge":"br9","ipam":{"type":"host-local","subnet":"10.9.0.0/24"}})";

class FailedLook : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
    runner_.install("host-local", built_program("barewire-cni"));
    for (const char* name : {"byname", "bymount", "byprocess"}) {
      make_netns(name);
      add(name);
    }
    must_run("touch /run/second && mount --bind /run/netns/bymount /run/second");
    delete_netns("bymount");
    holder_ = std::make_unique<NetnsHolder>("/run/netns/byprocess");
    delete_netns("byprocess");
  }

  static CniCall pod(const std::string& name) {
    return {.container_id = name, .netns = "/run/netns/" + name, .args = {}, .netns_override = {}};
  }
  void add(const std::string& name) {
    const PluginResult added = runner_.add("bridge", kBridge, pod(name));
    ASSERT_TRUE(added.ok()) << added;
  }
  void make_dead() {
    make_netns("dead");
    add("dead");
    delete_netns("dead");
  }
  bool is_on_record(const std::string& name) const {
    return std::filesystem::exists("/run/barewire/attachments/mynet/" + name + "@eth0.bridge.json");
  }
  /// Reservations are named by their content.
  static std::string reservations() { return must_run("cat /var/lib/cni/networks/mynet/10.* | tr '\\r' '\\n'"); }

  void expect_alive(const std::string& after) {
    const std::string held = reservations();
    for (const char* name : {"byname", "bymount", "byprocess"}) {
      EXPECT_TRUE(is_on_record(name)) << name << " was forgotten after " << after;
      EXPECT_THAT(held, HasSubstr(name)) << "after " << after;
    }
    EXPECT_TRUE(run_in("/run/netns/byname", "ip link show eth0").ok()) << after;
    EXPECT_TRUE(run_in("/run/second", "ip link show eth0").ok()) << after;
    EXPECT_TRUE(run_in(holder_->path(), "ip link show eth0").ok()) << after;
  }

  /// Of the node's state, and of the process that holds a pod: other processes of the machine are many.
  std::vector<std::string> places() const {
    const std::string process = holder_->path().substr(0, holder_->path().find("ns/net"));
    return {"/run/barewire", "/run/netns", "/run/second", "/var/lib/cni", "getdents64 /proc$", process, "mountinfo"};
  }

  /// Until none fails any more; with EIO and EACCES by turns.
  void sweep(const Command& command) {
    const std::size_t looks = for_each_mutation([&](std::size_t n) {
      if (!is_on_record("dead")) make_dead();
      const FaultOutcome outcome = fail_look_at(command, places(), n, n % 2 == 0 ? EIO : EACCES);
      const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
      EXPECT_FALSE(outcome.result.timed_out) << where;
      expect_alive(where);
      if (is_on_record("dead")) {
        EXPECT_NE(outcome.result.exit_status, 0) << where << "\n" << outcome.result.out;
        EXPECT_NE(outcome.result.out + outcome.result.err, "") << where;
      }
      return outcome;
    });
    EXPECT_GT(looks, 5U);
  }

  PluginRunner runner_;
  std::unique_ptr<NetnsHolder> holder_;
};

TEST_F(FailedLook, OfTheReaperHurtsNoLivePod) {
  sweep(command_of(built_program("barewired"), {"--own-pid-namespace", "--once", "--grace", "0"}));
}

TEST_F(FailedLook, OfTheCommandHurtsNoLivePod) {
  sweep(command_of(built_program("barewire"), {"gc", "--own-pid-namespace", "--min-age", "0"}));
}

TEST_F(FailedLook, OfGcForgetsNothingThatIsListed) {
  const std::string config =
      std::string(kBridge, std::string_view(kBridge).size() - 1) +
      R"(,"cni.dev/valid-attachments":[{"containerID":"byname","ifname":"eth0"},{"containerID":"bymount","ifname":"eth0"},{"containerID":"byprocess","ifname":"eth0"}]})";
  sweep(runner_.command("GC", "bridge", config));
}

TEST_F(FailedLook, OfAddAndDelKeepsEveryOtherPodsAddress) {
  make_netns("new");
  for (const char* verb : {"ADD", "DEL"})
    for_each_mutation([&](std::size_t n) {
      const FaultOutcome outcome = fail_look_at(runner_.command(verb, "bridge", kBridge, pod("new")), places(), n, EIO);
      expect_alive(outcome.mutations.empty() ? "" : outcome.mutations.back());
      const PluginResult gone = runner_.del("bridge", kBridge, pod("new"));
      EXPECT_TRUE(gone.ok()) << gone;
      EXPECT_EQ(reservations().find("new"), std::string::npos);
      return outcome;
    });
}

/// As of an ADD that was killed when it had made the link and before it had noted its number.
void forget_number(const std::string& record) {
  auto document = boost::json::parse(*read_file(record));
  for (const char* key : {"ifindex", "result"}) document.at("data").as_object().erase(key);
  write_text(record, boost::json::serialize(document));
}

TEST_F(FailedLook, OfDelAfterAKilledAddLosesNoLink) {
  constexpr const char* kMacvlan =
      R"({"cniVersion":"1.1.0","name":"mynet","type":"macvlan","master":"up0","ipam":{"type":"host-local","subnet":"10.9.0.0/24"}})";
  const std::string record = "/run/barewire/attachments/mynet/new@eth0.macvlan.json";
  runner_.install("macvlan", built_program("barewire-cni"));
  make_netns("new");
  must_run("ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up");
  for_each_mutation([&](std::size_t n) {
    const PluginResult added = runner_.add("macvlan", kMacvlan, pod("new"));
    EXPECT_TRUE(added.ok()) << added;
    if (added.ok()) forget_number(record);
    const FaultOutcome outcome =
        fail_look_at(runner_.command("DEL", "macvlan", kMacvlan, pod("new")), {"/run/barewire/attachments"}, n, EIO);
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    if (run_in("/run/netns/new", "ip link show eth0").ok()) {
      EXPECT_NE(outcome.result.exit_status, 0) << "success, and the link is there: " << where;
      EXPECT_TRUE(std::filesystem::exists(record)) << "nothing is left for the next DEL to go by: " << where;
    }
    EXPECT_TRUE(runner_.del("macvlan", kMacvlan, pod("new")).ok()) << where;
    return outcome;
  });
}

TEST_F(FailedLook, ADamagedRecordIsNamedByGcAfterItDidTheRest) {
  make_dead();
  const std::string damaged = "/run/barewire/attachments/mynet/x@eth0.bridge.json";
  write_text(damaged, "{");
  write_text("/run/barewire/attachments/mynet/y@eth0.sriov.json", "{");  // another plugin's to name
  const std::string config = std::string(kBridge, std::string_view(kBridge).size() - 1) +
                             R"(,"cni.dev/valid-attachments":[{"containerID":"byname","ifname":"eth0"}]})";
  const PluginResult collected = runner_.gc("bridge", config);
  EXPECT_EQ(collected.code(), 107) << collected;
  EXPECT_THAT(collected.out, HasSubstr(damaged));
  EXPECT_EQ(collected.out.find("sriov"), std::string::npos) << collected;
  EXPECT_FALSE(is_on_record("dead"));
  EXPECT_TRUE(is_on_record("byname"));

  const CommandResult swept =
      run(command_of(built_program("barewire"), {"gc", "--own-pid-namespace", "--min-age", "0"}));
  EXPECT_EQ(swept.exit_status, 1);
  EXPECT_THAT(swept.out, HasSubstr("could not look at " + damaged));
  const CommandResult reaped =
      run(command_of(built_program("barewired"), {"--own-pid-namespace", "--once", "--grace", "0"}));
  EXPECT_EQ(reaped.exit_status, 1);
  EXPECT_THAT(reaped.err, HasSubstr(damaged));
}

TEST_F(FailedLook, APathThatWasRelativeAtAddKeepsThePodAlive) {
  make_netns("relative");
  Command command = runner_.command("ADD", "bridge", kBridge, pod("relative"));
  command.environment["CNI_NETNS"] = "netns/relative";
  command.program = "sh";
  command.arguments = {"-c", "cd /run && exec " + runner_.directory() + "/bridge"};
  ASSERT_EQ(run(command).exit_status, 0);
  const CommandResult swept =
      run(command_of(built_program("barewire"), {"gc", "--own-pid-namespace", "--min-age", "0"}));
  EXPECT_EQ(swept.exit_status, 0) << swept.out;
  EXPECT_TRUE(is_on_record("relative"));
}

}  // namespace
}  // namespace barewire::test
