// SPDX-License-Identifier: Apache-2.0
/// Whatever a plugin refuses, and whatever DEL comes late, twice, or of somebody who never was there: links, addresses,
/// routes, rules, files and records of other attachments stay bit for bit.
#include "tests/plugin/standard/every_plugin.h"

namespace barewire::test {
namespace {

using Others = OthersTest;

/// A container nobody has heard of, by a path that is pod1's.
CniCall stranger(const std::string& ifname) {
  CniCall call;
  call.container_id = "stranger";
  call.netns = "/run/netns/pod1";
  call.ifname = ifname;
  return call;
}

TEST_F(Others, StayWhenAnAddIsRefusedAndDeledAsRuntimesDo) {
  const State before = state();
  for (const EveryPlugin& plugin : swept_plugins()) {
    if (plugin.is_chained || plugin.name == "loopback") continue;
    for (const char* taken : {"eth0", "net1"}) {
      const CniCall call = pod("pod1", taken);
      const PluginResult refused = runner_.add(plugin.name, config(plugin), call);
      EXPECT_FALSE(refused.ok()) << plugin.name << " took a name that is in use: " << refused;
      const PluginResult gone = runner_.del(plugin.name, config(plugin), call);
      EXPECT_TRUE(gone.ok()) << plugin.name << gone;
    }
    remove_bridges();
    expect_unchanged(before, "a refused ADD of " + plugin.name);
  }
}

TEST_F(Others, StayWhenADelComesOfAContainerThatNeverWasThere) {
  const State before = state();
  for (const EveryPlugin& plugin : swept_plugins()) {
    for (const char* network : {"first", "second", "other"})
      for (const char* ifname : {"eth0", "net1", "eth9"}) {
        const PluginResult gone = runner_.del(plugin.name, config(plugin, network, 1), stranger(ifname));
        EXPECT_TRUE(gone.ok()) << plugin.name << gone;
      }
    expect_unchanged(before, "a foreign DEL of " + plugin.name);
  }
}

TEST_F(Others, StayWhileAnotherInterfaceOfThePodComesAndGoesTwice) {
  const State before = state();
  int served = 0;
  for (const EveryPlugin& plugin : swept_plugins()) {
    if (plugin.is_chained || plugin.name == "loopback") continue;
    const CniCall call = pod("pod1", "net2");
    const PluginResult added = runner_.add(plugin.name, config(plugin), call);
    EXPECT_TRUE(added.ok() || !plugin.works_here) << plugin.name << added;
    served += added.ok() ? 1 : 0;
    for (int twice = 0; twice < 2; ++twice) {
      const PluginResult gone = runner_.del(plugin.name, config(plugin), call);
      EXPECT_TRUE(gone.ok()) << plugin.name << gone;
    }
    remove_bridges();
    expect_unchanged(before, "ADD, DEL and DEL of " + plugin.name);
  }
  if (swept_plugins().size() == every_plugin().size()) {
    EXPECT_GE(served, 5);
  }
}

/// The netns path of a dead pod leads to a new pod, which has the dead one's address too.
TEST_F(Others, StayWhenTheDelOfADeadPodComesLate) {
  for (const EveryPlugin& plugin : swept_plugins()) {
    if (plugin.is_chained || !plugin.works_here || plugin.name == "loopback") continue;
    make_netns("pod7");
    CniCall dead = pod("pod7");
    dead.container_id = "dead";
    const PluginResult first = runner_.add(plugin.name, config(plugin), dead);
    ASSERT_TRUE(first.ok()) << plugin.name << first;
    delete_netns("pod7");
    must_run("for i in $(seq 200); do ip route | grep -q '^10.22.9.2 ' || break; sleep 0.02; done");
    must_run("rm -rf /var/lib/cni/networks/other /run/barewire/host-local");
    make_netns("pod7");
    const bool one_device = plugin.name == "host-device";
    PluginResult alive;
    if (!one_device) alive = runner_.add(plugin.name, config(plugin), pod("pod7"));
    EXPECT_TRUE(one_device || alive.ok()) << plugin.name << alive;
    const auto before = state().pods;
    const PluginResult late = runner_.del(plugin.name, config(plugin), dead);
    EXPECT_TRUE(late.ok()) << plugin.name << late;
    EXPECT_EQ("", must_run("ls /run/barewire/attachments/*/dead@* 2>/dev/null || true")) << plugin.name;
    EXPECT_EQ(before, state().pods) << "after the late DEL of " << plugin.name;
    const std::string rules = must_run("nft -s list ruleset; iptables-save -t nat 2>/dev/null || true");
    if (plugin.name == "bridge" || plugin.name == "ptp") {
      EXPECT_THAT(rules,
                  ::testing::AnyOf(::testing::HasSubstr("other/pod7/eth0"), ::testing::HasSubstr("id: \\\"pod7\\\"")))
          << plugin.name;
    }
    EXPECT_THAT(rules, ::testing::Not(::testing::HasSubstr("other/dead"))) << plugin.name;
    if (!one_device) {
      EXPECT_TRUE(runner_.del(plugin.name, config(plugin), pod("pod7")).ok());
    }
    delete_netns("pod7");
    remove_bridges();
    must_run("ip link show dev0 >/dev/null 2>&1 || ip link add dev0 type veth peer name dev1");
  }
}

TEST_F(Others, RoutesAreThoseOfTheFirstWhenNetworksHaveTheSame) {
  const EveryPlugin ptp{.name = "ptp"};
  const std::string same = config_of(ptp, "same", 5, "");
  ASSERT_TRUE(runner_.add("ptp", same, pod("pod1", "net2")).ok());
  const State before = state();
  const PluginResult twice = runner_.add("ptp", same, pod("pod1", "net3"));
  ASSERT_TRUE(twice.ok()) << twice;
  for (const EveryPlugin& plugin :
       {EveryPlugin{.name = "sbr", .keys = R"("table":100,)", .is_chained = true},
        EveryPlugin{.name = "tuning", .keys = R"("mac":"02:00:00:00:00:77",)", .is_chained = true}}) {
    const std::string chained = config_of(plugin, "same", 5, boost::json::serialize(twice.json));
    const PluginResult added = runner_.add(plugin.name, chained, pod("pod1", "net3"));
    EXPECT_TRUE(added.ok()) << added;
    EXPECT_TRUE(reaches(pod_, "10.22.5.1"));
    EXPECT_TRUE(runner_.del(plugin.name, chained, pod("pod1", "net3")).ok());
  }
  EXPECT_TRUE(runner_.del("ptp", same, pod("pod1", "net3")).ok());
  expect_unchanged(before, "a second interface of the same network");
  EXPECT_TRUE(reaches(pod_, "10.22.5.1"));
}

TEST_F(Others, TuningRestoresNothingOfAnOlderPodWithTheSameContainerId) {
  const EveryPlugin tuning{.name = "tuning", .keys = R"("mtu":1300,"mac":"02:00:00:00:00:01",)", .is_chained = true};
  const auto make_pod = [&](const std::string& mac) {
    make_netns("pod8");
    must_run_in("/run/netns/pod8",
                "ip link add eth0 address " + mac + " type veth peer name other; ip link set eth0 up");
  };
  make_pod("02:00:00:00:00:aa");
  ASSERT_TRUE(runner_.add("tuning", config(tuning), pod("pod8")).ok());
  delete_netns("pod8");
  must_run("rm -r /run/barewire/attachments/other");
  for (const bool recorded : {false, true}) {
    make_pod("02:00:00:00:00:bb");
    const std::string before = pod_state("/run/netns/pod8");
    const PluginResult added = runner_.add("tuning", config(tuning), pod("pod8"));
    ASSERT_TRUE(added.ok()) << added;
    if (!recorded) {
      EXPECT_TRUE(runner_.del("tuning", config(tuning), pod("pod8")).ok());
      EXPECT_EQ(before, pod_state("/run/netns/pod8"));
    }
    delete_netns("pod8");
  }
  make_pod("02:00:00:00:00:cc");
  const std::string before = pod_state("/run/netns/pod8");
  ASSERT_TRUE(runner_.add("tuning", config(tuning), pod("pod8")).ok()) << "over the record of a dead pod";
  EXPECT_TRUE(runner_.del("tuning", config(tuning), pod("pod8")).ok());
  EXPECT_EQ(before, pod_state("/run/netns/pod8"));
}

}  // namespace
}  // namespace barewire::test
