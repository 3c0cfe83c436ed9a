// SPDX-License-Identifier: Apache-2.0
/// sriov on a node without a NIC: pods are served by the plugin under "fallback", and their records tell so.
#include "tests/plugin/sriov-plugin/host_device_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPtp = R"(,"fallback":{"type":"ptp"},"ipam":{"type":"host-local","subnet":"10.40.0.0/24"})";

class Fallback : public HostDeviceTest {
 protected:
  void SetUp() override {
    HostDeviceTest::SetUp();
    if (IsSkipped()) return;
    // What the first pod of all leaves for the others (forwarding) is there before.
    make_netns("other");
    ASSERT_TRUE(runner_.add("sriov", text(kPtp), pod("other")).ok());
  }
  static std::string text(const std::string& members, const std::string& plugin = "sriov") {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"{}","pool":"ens9f0"{}}})", plugin, members);
  }
  PluginResult add(const std::string& conf) const { return runner_.add("sriov", conf); }
  void expect_del(const std::string& conf) const {
    const PluginResult gone = runner_.del("sriov", conf);
    EXPECT_TRUE(gone.ok()) << gone;
  }
  /// The record of pod1, as an admin sees it.
  static boost::json::value listed() {
    const CommandResult list = must_run_barewire({"list", "--all", "-o", "json"});
    const boost::json::value document = boost::json::parse(list.out);
    for (const auto& other : document.at("attachments").as_array())
      if (other.at("holder").at("containerID") == "pod1" && other.at("holder").at("plugin") == "sriov") return other;
    return nullptr;
  }
  static CommandResult must_run_barewire(std::vector<std::string> arguments) {
    CommandResult result = run(Command{.program = built_program("barewire"),
                                       .arguments = std::move(arguments),
                                       .argv0 = {},
                                       .environment = {},
                                       .stdin_bytes = {},
                                       .netns = {}});
    EXPECT_TRUE(result.ok()) << result.err;
    return result;
  }
};

TEST_F(Fallback, ServesThePodAndDelPutsTheNodeBack) {
  const auto before = NodeSnapshot::take();
  const PluginResult added = add(text(kPtp));
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_EQ("eth0", added.json.at("interfaces").at(1).at("name").as_string());
  EXPECT_TRUE(run_in(pod_, "ping -c1 -W2 10.40.0.1").ok());
  const PluginResult checked = runner_.check("sriov", with(text(kPtp), "prevResult", added.out));
  EXPECT_TRUE(checked.ok()) << checked;
  EXPECT_THAT(must_run_barewire({"list"}).out, HasSubstr("served by fallback ptp: no VF of pool \"ens9f0\" is free"));
  const boost::json::value found = listed();
  ASSERT_TRUE(found.is_object()) << must_run_barewire({"list", "--all", "-o", "json"}).out;
  EXPECT_EQ("no-device", found.at("fallback").at("when").as_string());
  must_run_barewire({"check"});
  must_run_in(pod_, "ip address flush dev eth0");
  EXPECT_FALSE(runner_.check("sriov", with(text(kPtp), "prevResult", added.out)).ok());
  expect_del(text(kPtp));
  EXPECT_NODE_UNCHANGED(before);
  expect_del(text(kPtp));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Fallback, DelFollowsTheRecordWhateverTheConfigurationSaysByThen) {
  const auto before = NodeSnapshot::take();
  for (const char* later : {"", R"(,"fallback":{"type":"loopback"})", R"(,"fallback":5,"ipam":{"type":"static"})"}) {
    ASSERT_TRUE(add(text(kPtp)).ok());
    expect_del(text(later));
    EXPECT_NODE_UNCHANGED(before);
  }
}

TEST_F(Fallback, IsAskedOnlyForTheReasonsGiven) {
  const auto before = NodeSnapshot::take();
  const PluginResult refused = add(text(R"(,"fallback":{"type":"ptp","when":["no-free-vf","unsupported"]})"));
  EXPECT_EQ(11, refused.code()) << refused;
  EXPECT_THAT(refused.msg(), HasSubstr("no VF of pool \"ens9f0\" is free"));
  EXPECT_NODE_UNCHANGED(before);
  const std::string given =
      text(R"(,"fallback":{"type":"ptp","When":["no-device"]},"ipam":{"type":"host-local","subnet":"10.40.0.0/24"})");
  EXPECT_TRUE(add(given).ok());
  expect_del(given);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Fallback, HasAddressesOfItsOwnWhereItSaysSo) {
  const std::string own =
      text(R"(,"ipam":{"type":"host-local","subnet":"10.40.0.0/24"},"fallback":{"type":"ptp","ipam":{"type":"static",)"
           R"("addresses":[{"address":"10.77.0.9/24"}]}})");
  const PluginResult added = add(own);
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_EQ("10.77.0.9/24", added.json.at("ips").at(0).at("address").as_string());
  expect_del(own);
}

TEST_F(Fallback, WrongOnesAreRefusedBeforeAnythingIsTouched) {
  const auto before = NodeSnapshot::take();
  const auto refused = [&](const std::string& value, int code, const std::string& words) {
    const PluginResult result = add(text(R"(,"fallback":)" + value));
    EXPECT_EQ(code, result.code()) << value << result;
    EXPECT_THAT(result.msg(), HasSubstr(words)) << value;
  };
  refused("5", 7, "\"fallback\"");
  refused("{}", 7, "\"fallback.type\"");
  refused(R"({"type":5})", 7, "\"fallback.type\"");
  refused(R"({"type":"sriov"})", 7, "\"fallback.type\"");
  refused(R"({"type":"ptp","when":"no-device"})", 7, "\"fallback.when\"");
  refused(R"({"type":"ptp","when":["rain"]})", 7, "\"fallback.when[0]\"");
  refused(R"({"type":"ptpx"})", 106, "ptpx");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Fallback, WhatItFailsOfIsTheErrorAndNothingIsLeft) {
  const auto before = NodeSnapshot::take();
  const PluginResult refused = add(text(R"(,"fallback":{"type":"ptp","ipam":{"type":"static","addresses":[]}})"));
  EXPECT_FALSE(refused.ok()) << refused;
  EXPECT_THAT(refused.msg(), HasSubstr("address")) << refused;
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Fallback, AnswersForStatus) {
  EXPECT_TRUE(runner_.status("sriov", text(kPtp)).ok());
  EXPECT_EQ(50, runner_.status("sriov", text("")).code());
  EXPECT_EQ(50, runner_.status("sriov", text(R"(,"fallback":{"type":"ptp","when":["unsupported"]})")).code());
}

TEST_F(Fallback, IsCollectedByGc) {
  const auto before = NodeSnapshot::take();
  ASSERT_TRUE(add(text(kPtp)).ok());
  const PluginResult collected = runner_.gc(
      "sriov", with(text(kPtp), "cni.dev/valid-attachments", R"([{"containerID":"other","ifname":"eth0"}])"));
  EXPECT_TRUE(collected.ok()) << collected;
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Fallback, KilledAtEveryStepDelLeavesNothing) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const auto before = NodeSnapshot::take();
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    FaultOutcome outcome = kill_at(runner_.command("ADD", "sriov", text(kPtp)), n, KillTime::after);
    expect_del(text(kPtp));
    EXPECT_EQ("", lasting_difference(before)) << "struck at mutation " << n;
    return outcome;
  });
  EXPECT_GT(steps, 10U);
}

}  // namespace
}  // namespace barewire::test
