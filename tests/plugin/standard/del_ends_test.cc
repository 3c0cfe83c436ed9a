// SPDX-License-Identifier: Apache-2.0
/// DEL comes to an end: in whatever way ADD failed, with the configuration corrected or spoilt since, the plugins moved
/// to another directory, or the IPAM program gone.
#include <sys/stat.h>

#include "tests/plugin/standard/every_plugin.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class DelEnds : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    make_outside();
    make_settled_pair();
    must_run(
        "ip link add br9 type bridge; ip link add p9 type veth peer name p8; ip link set p9 master br9; "
        "for l in br9 p9 p8; do ip link set $l addrgenmode none; ip link set $l up; done; "
        "sysctl -qw net.ipv4.ip_forward=1");
    write_text("/run/flannel.env",
               "FLANNEL_NETWORK=10.22.0.0/16\nFLANNEL_SUBNET=10.22.9.1/24\nFLANNEL_MTU=1400\nFLANNEL_IPMASQ=false\n");
    for (const EveryPlugin& plugin : swept_plugins())
      if (!plugin.is_chained && plugin.name != "loopback")
        plugins_.push_back(plugin.name == "bridge" ? bridge_ : plugin);
  }
  static std::string config(const EveryPlugin& plugin, const std::string& more = {}) {
    std::string text = config_of(plugin, "net", 9, "");
    return more.empty() ? text : text.substr(0, text.size() - 1) + "," + more + "}";
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }
  void expect_nothing_left(const NodeSnapshot& before, const std::string& pod_before, const std::string& after) {
    must_run("ip link show br8 >/dev/null 2>&1 && ip link del br8; true");  // bridges stay when pods go
    EXPECT_EQ("", lasting_difference(before)) << after;
    EXPECT_EQ(pod_before, pod_state(pod_)) << after;
  }
  /// An IPAM of somebody else's, in every directory that is asked for it.
  static void write_ipam(const std::string& path, const std::string& answer) {
    write_text(path, "#!/bin/sh\ncat >/dev/null\n[ \"$CNI_COMMAND\" = ADD ] && printf '" + answer + "'\nexit 0\n");
    ASSERT_EQ(0, ::chmod(path.c_str(), 0755));
  }
  const EveryPlugin bridge_{
      .name = "bridge", .keys = R"("bridge":"br9","ipMasq":true,"macspoofchk":true,)", .works_here = true};
  std::vector<EveryPlugin> plugins_;
};

TEST_F(DelEnds, AfterAnAddWithAnIpamThatIsNowhere) {
  for (const EveryPlugin& plugin : plugins_) {
    if (plugin.name == "flannel") continue;  // it has none of its own
    const NodeSnapshot before = NodeSnapshot::take();
    const std::string pod_before = pod_state(pod_);
    const std::string good = config(plugin), bad = replaced(good, "host-local", "host-locl"),
                      self = replaced(good, "host-local", plugin.name), other = replaced(good, "host-local", "tap");
    for (const std::string& conf : {bad, self, other}) EXPECT_FALSE(runner_.add(plugin.name, conf).ok()) << conf;
    expect_nothing_left(before, pod_before, plugin.name + ": ADD");
    for (const std::string& conf : {bad, self, other, good}) {
      const PluginResult gone = runner_.del(plugin.name, conf);
      EXPECT_TRUE(gone.ok()) << plugin.name << gone;
    }
    const PluginResult corrected = runner_.add(plugin.name, good);
    EXPECT_TRUE(corrected.ok() || !plugin.works_here) << plugin.name << corrected;
    const PluginResult spoilt = runner_.del(plugin.name, bad);
    EXPECT_TRUE(spoilt.ok()) << plugin.name << spoilt;
    expect_nothing_left(before, pod_before, plugin.name + ": DEL");
  }
}

/// One that always fails and prints no CNI error: ADD leaves nothing, and nobody has to ask it again.
TEST_F(DelEnds, AfterAnIpamThatNeverWorks) {
  const std::string ipam = runner_.directory() + "/broken-ipam";
  write_text(ipam, "#!/bin/sh\necho out of order\nexit 1\n");
  ASSERT_EQ(0, ::chmod(ipam.c_str(), 0755));
  for (const EveryPlugin& plugin : plugins_) {
    if (plugin.name == "flannel" || !plugin.works_here) continue;  // they fail before it is asked
    const NodeSnapshot before = NodeSnapshot::take();
    const std::string pod_before = pod_state(pod_);
    const std::string good = config(plugin), bad = replaced(good, "host-local", "broken-ipam");
    EXPECT_FALSE(runner_.add(plugin.name, bad).ok());
    expect_nothing_left(before, pod_before, plugin.name + ": ADD");
    const PluginResult gone = runner_.del(plugin.name, good);
    EXPECT_TRUE(gone.ok()) << plugin.name << gone;
    const PluginResult corrected = runner_.add(plugin.name, good);
    EXPECT_TRUE(corrected.ok()) << plugin.name << corrected;
    EXPECT_TRUE(runner_.del(plugin.name, good).ok()) << plugin.name;
    expect_nothing_left(before, pod_before, plugin.name + ": DEL");
  }
}

TEST_F(DelEnds, WhenThePluginsHaveMovedSinceAdd) {
  for (const EveryPlugin& plugin : plugins_) {
    const NodeSnapshot before = NodeSnapshot::take();
    const std::string pod_before = pod_state(pod_);
    {
      PluginRunner old;
      for (const char* delegate : {"host-local", "bridge"}) old.install(delegate, built_program("barewire-cni"));
      const PluginResult added = old.add(plugin.name, config(plugin));
      EXPECT_TRUE(added.ok() || !plugin.works_here) << plugin.name << added;
    }
    PluginRunner moved;  // with neither host-local nor bridge: they are built in
    const PluginResult gone = moved.del(plugin.name, config(plugin));
    EXPECT_TRUE(gone.ok()) << plugin.name << gone;
    expect_nothing_left(before, pod_before, plugin.name);
  }
}

TEST_F(DelEnds, WhenTheIpamProgramIsGoneAndSaysWhatStays) {
  const std::string ipam = runner_.directory() + "/others-ipam";
  for (const EveryPlugin& plugin : plugins_) {
    if (plugin.name == "flannel") continue;
    const std::string conf = replaced(config(plugin), "host-local", "others-ipam");
    const NodeSnapshot before = NodeSnapshot::take();
    const std::string pod_before = pod_state(pod_);
    write_ipam(ipam, R"({"cniVersion":"1.0.0","ips":[{"address":"10.22.9.7/24","gateway":"10.22.9.1"}]})");
    const PluginResult added = runner_.add(plugin.name, conf);
    EXPECT_TRUE(added.ok() || !plugin.works_here) << plugin.name << added;
    std::filesystem::remove(ipam);
    for (int twice = 0; twice < 2; ++twice) {
      const PluginResult gone = runner_.del(plugin.name, conf);
      EXPECT_TRUE(gone.ok()) << plugin.name << gone;
      EXPECT_THAT(gone.err, HasSubstr("others-ipam")) << plugin.name;
    }
    expect_nothing_left(before, pod_before, plugin.name);
  }
}

TEST_F(DelEnds, WhateverHasBecomeOfTheConfiguration) {
  const std::vector<std::string> spoilt = {
      R"("logLevel":3,"logFile":["x"],"args":"x","runtimeConfig":7,"dns":"x","ipam":3,"prevResult":"x","debug":"x")",
      R"("ipam":{"type":5,"dataDir":7},"mtu":"big","bridge":7,"master":[],"device":{},"deviceID":1,"links":"x","dataDir":4,"mac":3,"sharedDir":8,"subnetFile":9,"socket_file":1,"fallback":2,"type":6,"delegate":4,"ifName":5)"};
  for (const EveryPlugin& plugin : swept_plugins()) {
    if (plugin.is_chained || plugin.name == "loopback") continue;
    const std::string good = plugin.name == "bridge" ? config(bridge_) : config(plugin);
    for (const std::string& keys : spoilt) {
      const NodeSnapshot before = NodeSnapshot::take_files();
      const std::string pod_before = must_run_in(pod_, "ip -br link; ip -br -4 addr");
      const PluginResult added = runner_.add(plugin.name, good);
      EXPECT_TRUE(added.ok() || !plugin.works_here) << plugin.name << added;
      const std::string bad = good.substr(0, good.size() - 1) + "," + keys + "}";
      for (int twice = 0; twice < 2; ++twice) {
        const PluginResult gone = runner_.del(plugin.name, bad);
        EXPECT_TRUE(gone.ok()) << plugin.name << " with " << keys << "\n" << gone;
      }
      EXPECT_EQ("", before.difference(NodeSnapshot::take_files())) << plugin.name << " with " << keys;
      EXPECT_EQ(pod_before, must_run_in(pod_, "ip -br link; ip -br -4 addr")) << plugin.name << " with " << keys;
    }
  }
}

TEST_F(DelEnds, OfChainedPluginsWhateverHasBecomeOfTheConfiguration) {
  const PluginResult bridged = runner_.add("bridge", config(bridge_));
  ASSERT_TRUE(bridged.ok()) << bridged;
  const std::string previous = boost::json::serialize(bridged.json);
  for (const EveryPlugin& plugin : swept_plugins()) {
    if (!plugin.is_chained) continue;
    const std::string good = config_of(plugin, "net", 9, previous);
    for (const char* keys : {R"("logLevel":3,"args":"x","runtimeConfig":7)", R"("prevResult":"x","dns":1)",
                             R"("mtu":"big","sysctl":3,"dataDir":4,"table":"x","vrfname":1,"backend":9,"mirrors":2)"}) {
      const NodeSnapshot before = NodeSnapshot::take_files();
      const PluginResult added = runner_.add(plugin.name, good);
      EXPECT_TRUE(added.ok() || !plugin.works_here) << plugin.name << added;
      for (int twice = 0; twice < 2; ++twice) {
        const PluginResult gone = runner_.del(plugin.name, good.substr(0, good.size() - 1) + "," + keys + "}");
        EXPECT_TRUE(gone.ok()) << plugin.name << " with " << keys << "\n" << gone;
      }
      EXPECT_EQ("", before.difference(NodeSnapshot::take_files())) << plugin.name << " with " << keys;
    }
  }
}

TEST_F(DelEnds, AndAddServesNetworksWithTheLongestNames) {
  const std::string network = "n" + std::string(252, 'x');
  for (const EveryPlugin& plugin : plugins_) {
    CniCall call = pod("pod1", "pod37a8eec1ce19");
    call.container_id = std::string(64, 'c');
    const NodeSnapshot before = NodeSnapshot::take();
    const std::string pod_before = pod_state(pod_);
    const std::string conf = replaced(config(plugin), R"("name":"net")", R"("name":")" + network + "\"");
    const PluginResult added = runner_.add(plugin.name, conf, call);
    EXPECT_TRUE(added.ok() || !plugin.works_here) << plugin.name << added;
    for (int twice = 0; twice < 2; ++twice) {
      const PluginResult gone = runner_.del(plugin.name, conf, call);
      EXPECT_TRUE(gone.ok()) << plugin.name << gone;
    }
    expect_nothing_left(before, pod_before, plugin.name);
  }
}

}  // namespace
}  // namespace barewire::test
