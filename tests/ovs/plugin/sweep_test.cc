// SPDX-License-Identifier: Apache-2.0
/// The mirror plugins and vhost-user ports killed, or made to fail, at each system call by which they change something.
#include "tests/ovs/plugin/ovs_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

/// `call` fails or dies at each step; then DEL, and nothing is left.
class OvsSweep : public OvsPluginTest {
 protected:
  void SetUp() override {
    OvsPluginTest::SetUp();
    if (IsSkipped()) return;
    if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  }

  /// Of the plugin under test, on pod1.
  Command command(const std::string& verb) const { return runner_.command(verb, plugin_, conf_, pod("pod1")); }
  void must_call(const std::string& verb) const {
    const PluginResult result = runner_.call(verb, plugin_, conf_, pod("pod1"));
    EXPECT_TRUE(result.ok()) << verb << ": " << result;
  }
  void expect_clean(const NodeSnapshot& before, const FaultOutcome& outcome) const {
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    must_call("DEL");
    EXPECT_EQ("", before.difference(NodeSnapshot::take_files({"/run/barewire", pods_}))) << "struck at " << where;
    EXPECT_EQ(ovs->configuration(), before_) << "struck at " << where;
  }
  void sweep_add() const {
    const NodeSnapshot before = NodeSnapshot::take_files({"/run/barewire", pods_});
    const std::size_t killed = for_each_mutation([&](std::size_t n) {
      const FaultOutcome outcome = kill_at(command("ADD"), n, n % 2 == 0 ? KillTime::after : KillTime::before);
      expect_clean(before, outcome);
      return outcome;
    });
    EXPECT_GT(killed, 5U);
    const std::size_t failed = for_each_mutation([&](std::size_t n) {
      const FaultOutcome outcome = fail_at(command("ADD"), n, EIO);
      expect_clean(before, outcome);
      return outcome;
    });
    EXPECT_GT(failed, 5U);
  }
  void sweep_del() const {
    const NodeSnapshot before = NodeSnapshot::take_files({"/run/barewire", pods_});
    const std::size_t killed = for_each_mutation([&](std::size_t n) {
      must_call("ADD");
      const FaultOutcome outcome = kill_at(command("DEL"), n, KillTime::before);
      expect_clean(before, outcome);
      return outcome;
    });
    EXPECT_GT(killed, 2U);
  }

  std::string plugin_ = "ovs", conf_, pods_ = "/run/pods";
};

class MirrorSweep : public OvsSweep {
 protected:
  /// pod1 is on the bridge, and so is the pod of the other side, whose mirror stands and must stay.
  void prepare(const char* plugin, const char* mirrors, const char* other) {
    plugin_ = plugin;
    const PluginResult attached = add(config());
    ASSERT_TRUE(attached.ok()) << attached;
    const PluginResult peer = attach("peer", "");
    const PluginResult joined = runner_.add(
        other, with_previous(config(R"(,"mirrors":[{"name":"m1","ingress":true,"egress":true}])"), peer), pod("peer"));
    ASSERT_TRUE(joined.ok()) << joined;
    conf_ = with_previous(config(std::string(R"(,"mirrors":)") + mirrors), attached);
    before_ = ovs->configuration();
  }
};

TEST_F(MirrorSweep, AProducerThatDiesOrFailsAnywhereLeavesTheMirrorAsItWas) {
  ASSERT_NO_FATAL_FAILURE(prepare(
      "ovs-mirror-producer", R"([{"name":"m1","ingress":true},{"name":"m2","egress":true}])", "ovs-mirror-consumer"));
  sweep_add();
  sweep_del();
}

TEST_F(MirrorSweep, AConsumerThatDiesOrFailsAnywhereLeavesTheMirrorAsItWas) {
  ASSERT_NO_FATAL_FAILURE(prepare("ovs-mirror-consumer", R"([{"name":"m1"}])", "ovs-mirror-producer"));
  sweep_add();
  sweep_del();
}

class VhostSweep : public OvsSweep {
 protected:
  VhostSweep() { datapath = OvsSandbox::Datapath::dpdk; }
  void prepare(const char* type) {
    pods_ = ovs->file("pods");  // where the switch's own sockets can be linked to
    must_run("mkdir -p " + pods_);
    conf_ = config(fmt::format(R"(,"interface_type":"{0}","ovs_run_dir":"{1}","socket_dir":"{2}/{{containerID}}",)"
                               R"("socket_mode":"0770","runtimeConfig":{{"CNIDeviceInfoFile":"{2}/info"}})",
                               type, ovs->file(""), pods_));
  }
};

TEST_F(VhostSweep, APortOfTheServerThatDiesOrFailsAnywhereLeavesNothing) {
  prepare("dpdkvhostuser");
  sweep_add();
  sweep_del();
}

TEST_F(VhostSweep, APortOfTheClientThatDiesOrFailsAnywhereLeavesNothing) {
  prepare("dpdkvhostuserclient");
  sweep_add();
  sweep_del();
}

}  // namespace
}  // namespace barewire::test
