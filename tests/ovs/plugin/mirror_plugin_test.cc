// SPDX-License-Identifier: Apache-2.0
/// ovs-mirror-producer and ovs-mirror-consumer behind the ovs plugin: what a consumer pod receives, what stays.
#include <algorithm>

#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kProducer = "ovs-mirror-producer";
constexpr const char* kConsumer = "ovs-mirror-consumer";

class MirrorPluginTest : public OvsPluginTest {
 protected:
  /// ADD of ovs; its result is what the mirror plugins are called with.
  PluginResult attach_pod(const std::string& name, const std::string& address) {
    return results_[name] = attach(name, with_address(address));
  }
  std::string mirror_config(const std::string& name, const std::string& mirrors) const {
    return with_previous(config(R"(,"mirrors":)" + mirrors), results_.at(name));
  }
  PluginResult join(const char* plugin, const std::string& name, const std::string& mirrors) const {
    PluginResult result = runner_.add(plugin, mirror_config(name, mirrors), pod(name));
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }
  PluginResult leave(const char* plugin, const std::string& name) const {
    return runner_.del(plugin, mirror_config(name, kBoth), pod(name));
  }
  std::string mirrors() const { return ovs->vsctl("--bare --columns=name list Mirror"); }

  static constexpr const char* kBoth = R"([{"name":"m1","ingress":true,"egress":true}])";
  static constexpr const char* kOne = R"([{"name":"m1"}])";
  std::map<std::string, PluginResult> results_;
};

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST_F(MirrorPluginTest, AConsumerPodReceivesACopyOfEveryPacketOfTheProducer) {
  attach_pod("a", "10.9.0.1/24");
  attach_pod("b", "10.9.0.2/24");
  attach_pod("m", "10.8.0.1/24");
  const PluginResult produced = join(kProducer, "a", kBoth);
  EXPECT_EQ(produced.json.at("interfaces"), results_["a"].json.at("interfaces")) << "the result is handed on";
  join(kConsumer, "m", kOne);
  ChildProcess capture(
      Command{.program = "sh",
              .arguments = {"-c", "exec timeout 40 tcpdump -i eth0 -c10 -n -l --immediate-mode icmp 2>/run/capture"},
              .argv0 = {},
              .environment = {},
              .stdin_bytes = {},
              .netns = "/run/netns/m",
              .timeout = std::chrono::seconds(60)});
  // It says so once packets reach it; its socket is there before.
  must_run("for i in $(seq 400); do grep -q 'listening on' /run/capture && break; sleep 0.05; done");
  EXPECT_TRUE(run_in("/run/netns/a", "ping -c5 -i0.2 -W5 -n 10.9.0.2").ok());
  const CommandResult seen = capture.wait(std::chrono::seconds(60));
  EXPECT_TRUE(seen.ok()) << seen.out << seen.err;
  EXPECT_EQ(count(seen.out, "10.9.0.1 > 10.9.0.2: ICMP echo request"), 5U) << seen.out;
  EXPECT_EQ(count(seen.out, "10.9.0.2 > 10.9.0.1: ICMP echo reply"), 5U) << seen.out;
}

TEST_F(MirrorPluginTest, DelLeavesNothingInWhicheverOrderAndASecondOneSucceeds) {
  const NodeSnapshot before = NodeSnapshot::take();
  attach_pod("a", "10.9.0.1/24");
  attach_pod("m", "10.8.0.1/24");
  join(kConsumer, "m", kOne);
  join(kProducer, "a", kBoth);
  EXPECT_EQ(mirrors(), "m1\n");
  EXPECT_EQ(runner_.add(kProducer, mirror_config("a", kBoth), pod("a")).code(), 102) << "a second ADD";
  EXPECT_TRUE(leave(kConsumer, "m").ok());
  EXPECT_THAT(ovs->vsctl("get Mirror m1 output_port"), HasSubstr("[]"));
  // The port goes first, as when a runtime skips a plugin that failed.
  EXPECT_TRUE(del(config(with_address("10.9.0.1/24")), pod("a")).ok());
  delete_netns("a");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(leave(kProducer, "a").ok());
    EXPECT_TRUE(leave(kConsumer, "m").ok());
  }
  EXPECT_TRUE(del(config(with_address("10.8.0.1/24")), pod("m")).ok());
  delete_netns("m");
  expect_database_as_before();
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(MirrorPluginTest, DelWithoutARecordLeavesEveryMirrorOfThePort) {
  attach_pod("a", "10.9.0.1/24");
  attach_pod("m", "10.8.0.1/24");
  const std::string attached = ovs->configuration();
  join(kProducer, "a", kBoth);
  join(kConsumer, "m", kOne);
  must_run("rm /run/barewire/attachments/lan/*mirror*");
  EXPECT_TRUE(leave(kProducer, "a").ok());
  EXPECT_THAT(ovs->vsctl("get Mirror m1 select_src_port"), HasSubstr("[]"));
  EXPECT_TRUE(leave(kConsumer, "m").ok());
  EXPECT_EQ(ovs->configuration(), attached);
  ovs->kill_ovsdb();
  EXPECT_TRUE(leave(kConsumer, "m").ok()) << "nothing on record, and nobody to ask";
}

TEST_F(MirrorPluginTest, DelWithTheDatabaseDownKeepsTheRecordForTheNext) {
  attach_pod("a", "10.9.0.1/24");
  const std::string attached = ovs->configuration();
  join(kProducer, "a", kBoth);
  ovs->kill_ovsdb();
  EXPECT_EQ(leave(kProducer, "a").code(), 11);
  ovs->start_ovsdb();
  EXPECT_TRUE(leave(kProducer, "a").ok());
  EXPECT_EQ(ovs->configuration(), attached);
}

TEST_F(MirrorPluginTest, CheckSeesAPortThatLeft) {
  attach_pod("a", "10.9.0.1/24");
  attach_pod("m", "10.8.0.1/24");
  const auto check = [&](const char* plugin, const std::string& name, const char* mirrors) {
    return runner_.check(plugin, mirror_config(name, mirrors), pod(name));
  };
  join(kProducer, "a", kBoth);
  join(kConsumer, "m", kOne);
  EXPECT_TRUE(check(kProducer, "a", kBoth).ok()) << check(kProducer, "a", kBoth);
  EXPECT_TRUE(check(kConsumer, "m", kOne).ok());
  ovs->vsctl("clear Mirror m1 select_dst_port output_port");
  EXPECT_THAT(check(kProducer, "a", kBoth).msg(), HasSubstr("what the pod receives is not copied"));
  EXPECT_EQ(check(kConsumer, "m", kOne).code(), 104);
  ovs->vsctl("clear Bridge br0 mirrors");
  EXPECT_THAT(check(kConsumer, "m", kOne).msg(), HasSubstr("m1 of bridge br0: it is gone"));
}

TEST_F(MirrorPluginTest, GcTakesUnlistedPodsOutOfTheirMirrors) {
  attach_pod("a", "10.9.0.1/24");
  attach_pod("b", "10.9.0.2/24");
  join(kProducer, "a", kBoth);
  const std::string of_a = ovs->configuration();
  join(kProducer, "b", kBoth);
  const PluginResult gc = runner_.gc(kProducer, and_key(mirror_config("a", kBoth), "cni.dev/valid-attachments",
                                                        R"([{"containerID":"a","ifname":"eth0"}])"));
  EXPECT_TRUE(gc.ok()) << gc;
  EXPECT_EQ(ovs->configuration(), of_a);
}

TEST_F(MirrorPluginTest, WhatCannotBeIsRefusedAndNothingChanged) {
  attach_pod("a", "10.9.0.1/24");
  attach_pod("m", "10.8.0.1/24");
  attach_pod("n", "10.8.0.2/24");
  join(kConsumer, "m", kOne);
  ovs->add_bridge("br1");
  const std::string attached = ovs->configuration();
  const auto refused = [&](const char* plugin, const std::string& name, const std::string& conf, int code,
                           const std::string& words) {
    const PluginResult result = runner_.add(plugin, conf, pod(name));
    EXPECT_EQ(result.code(), code) << result;
    EXPECT_THAT(result.msg(), HasSubstr(words));
    EXPECT_EQ(ovs->configuration(), attached);
  };
  const auto with = [&](const std::string& mirrors) { return mirror_config("a", mirrors); };
  refused(kConsumer, "n", mirror_config("n", kOne), 102, "they already go to one");
  refused(kProducer, "a", with(kOne), 7, "mirrors[0]");
  refused(kProducer, "a", with("[]"), 7, "\"mirrors\"");
  refused(kProducer, "a", with(R"([{"ingress":true}])"), 7, "mirrors[0].name");
  refused(kConsumer, "a", with(R"([{"name":"x"},{"name":"x"}])"), 7, "mirrors[1]");
  refused(kProducer, "a", config(R"(,"mirrors":[{"name":"m1","ingress":true}])"), 7, "prevResult");
  refused(kProducer, "a", and_key(with(kBoth), "bridge", "\"nowhere\""), 101, "nowhere");
  refused(kProducer, "a", and_key(with(kBoth), "bridge", "\"br1\""), 7, "expected br0");
  make_netns("other");
  refused(kProducer, "other", with(kBoth), 101, "failed to find the port");
  const std::string whole = config(R"(,"mirrors":[{"name":"m1","ingress":true}])");
  EXPECT_TRUE(runner_.status(kProducer, whole).ok()) << runner_.status(kProducer, whole);
  EXPECT_EQ(runner_.status(kProducer, and_key(whole, "bridge", "\"nowhere\"")).code(), 50);
}

}  // namespace
}  // namespace barewire::test
