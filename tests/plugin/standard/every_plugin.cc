// SPDX-License-Identifier: Apache-2.0
#include "tests/plugin/standard/every_plugin.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "tests/support/fault.h"

namespace barewire::test {

namespace {

std::vector<EveryPlugin> all() {
  return {
      {.name = "bridge",
       .keys = R"("bridge":"br9","isGateway":true,"ipMasq":true,"macspoofchk":true,)",
       .works_here = true},
      {.name = "ptp", .keys = R"("ipMasq":true,)", .works_here = true},
      {.name = "macvlan", .keys = R"("master":"up0",)", .works_here = true},
      {.name = "ipvlan", .keys = R"("master":"up0",)"},
      {.name = "vlan", .keys = R"("master":"up0","vlanId":7,)"},
      {.name = "dummy"},
      {.name = "tap", .works_here = true},
      {.name = "bond", .keys = R"("links":["dev0"],"mode":"active-backup",)"},
      {.name = "host-device", .keys = R"("device":"dev0",)", .works_here = true},
      {.name = "flannel", .keys = R"("delegate":{"bridge":"br8"},)", .works_here = true},
      {.name = "loopback", .works_here = true},
      {.name = "sriov", .keys = R"("deviceID":"0000:00:00.7",)"},
      {.name = "ovs", .keys = R"("bridge":"br0","socket_file":"unix:/run/no-such-switch",)"},
      {.name = "userspace",
       .keys =
           R"("socket_file":"unix:/run/no-such-switch","sharedDir":"/run/shared","host":{"engine":"ovs-dpdk","iftype":"vhostuser","netType":"bridge","vhost":{"mode":"client"},"bridge":{"bridgeName":"br0"}},)"},
      {.name = "tuning",
       .keys = R"("mtu":1400,"sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"},)",
       .is_chained = true,
       .works_here = true},
      {.name = "portmap",
       .keys = R"("runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]},)",
       .is_chained = true,
       .works_here = true},
      {.name = "bandwidth", .keys = R"("ingressRate":8000000,"ingressBurst":800000,)", .is_chained = true},
      {.name = "firewall", .keys = R"("ingressPolicy":"same-bridge",)", .is_chained = true},
      {.name = "sbr", .keys = R"("table":100,)", .is_chained = true, .works_here = true},
      {.name = "vrf", .keys = R"("vrfname":"red",)", .is_chained = true},
      {.name = "rdma", .is_chained = true},
      {.name = "ovs-mirror-producer",
       .keys = R"("bridge":"br0","socket_file":"unix:/run/no-such-switch","mirrors":[{"name":"m","ingress":true}],)",
       .is_chained = true},
      {.name = "ovs-mirror-consumer",
       .keys = R"("bridge":"br0","socket_file":"unix:/run/no-such-switch","mirrors":[{"name":"m"}],)",
       .is_chained = true}};
}

void require_all(const std::vector<EveryPlugin>& plugins) {
  std::set<std::string> known = {"host-local", "static", "dhcp"};
  for (const EveryPlugin& plugin : plugins) known.insert(plugin.name);
  std::istringstream names(must_run(built_program("barewire-cni") + " --names"));
  for (std::string name; names >> name;) EXPECT_TRUE(known.contains(name)) << name << " is not swept";
}

}  // namespace

std::string pod_state(const std::string& netns) {
  NodeSnapshot snapshot;
  in_netns(netns, [&] { snapshot = NodeSnapshot::take({}); });
  std::ostringstream text;
  text << snapshot << must_run_in(netns, "ip -d link show lo | head -1; ip rule; ip -6 rule; ip route show table all");
  return text.str();
}

std::vector<EveryPlugin> every_plugin() {
  std::vector<EveryPlugin> plugins = all();
  require_all(plugins);
  return plugins;
}

std::vector<EveryPlugin> swept_plugins() {
  return sampled(every_plugin());
}

std::string config_of(const EveryPlugin& plugin, const std::string& network, int third, const std::string& previous) {
  const std::string rest =
      plugin.is_chained || plugin.name == "loopback" ? fmt::format(R"("prevResult":{})", previous)
      : plugin.name == "flannel"
          ? std::string(R"("subnetFile":"/run/flannel.env")")
          : fmt::format(R"("ipam":{{"type":"host-local","subnet":"10.22.{}.0/24","routes":[{{"dst":"0.0.0.0/0"}}]}})",
                        third);
  std::string keys = plugin.keys;  // one network, one bridge: a second one's gateway would stay on it
  if (const auto at = keys.find("br9"); at != std::string::npos && network != "first") keys.replace(at, 3, "br8");
  return fmt::format(R"({{"cniVersion":"1.1.0","name":"{}","type":"{}",{}{}}})", network, plugin.name, keys, rest);
}

void make_settled_pair() {
  // dev1's address and route come with its first carrier and stay when it goes again.
  must_run(
      "ip link add dev0 type veth peer name dev1 && ip link set dev1 up && ip link set dev0 up && "
      "for i in $(seq 100); do ip -6 addr show dev dev1 scope link | grep -v tentative | grep -q fe80 && break; "
      "sleep 0.05; done; ip link set dev0 down");
}

void OthersTest::SetUp() {
  StandardTest::SetUp();
  if (IsSkipped()) return;
  make_outside();
  make_settled_pair();
  write_text("/run/flannel.env",
             "FLANNEL_NETWORK=10.22.0.0/16\nFLANNEL_SUBNET=10.22.77.1/24\nFLANNEL_MTU=1400\nFLANNEL_IPMASQ=false\n");
  runner_.install("bridge", built_program("barewire-cni"));
  const std::vector<EveryPlugin> plugins = every_plugin();
  bridged_ = runner_.add("bridge", config_of(plugins.at(0), "first", 1, ""), pod("pod1"));
  ASSERT_TRUE(bridged_.ok()) << bridged_;
  for (const EveryPlugin& plugin : plugins)
    if (plugin.is_chained && plugin.works_here) {
      const PluginResult chained = runner_.add(plugin.name, config(plugin, "first"), pod("pod1"));
      ASSERT_TRUE(chained.ok()) << plugin.name << "\n" << chained;
    }
  const PluginResult second = runner_.add("ptp", config_of(plugins.at(1), "second", 2, ""), pod("pod1", "net1"));
  ASSERT_TRUE(second.ok()) << second;
}

OthersTest::State OthersTest::state() const {
  State state{NodeSnapshot::take({"/run/barewire", "/var/lib/cni", "/run/cni"}), {}};
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns")) {
    const std::string name = entry.path().filename();
    if (name.starts_with("pod")) state.pods.emplace_back(name, pod_state(entry.path()));
  }
  std::sort(state.pods.begin(), state.pods.end());
  return state;
}

void OthersTest::expect_unchanged(const State& before, const std::string& after_what) {
  EXPECT_EQ("", lasting_difference(before.node,
                                   [] {
                                     return NodeSnapshot::take({"/run/barewire", "/var/lib/cni", "/run/cni"});
                                   }))
      << "after " << after_what;
  if (HasFailure()) return;  // each look waits for what may yet come: once is enough
  State now = state();
  // IPv6 takes its time over link-local addresses and routes.
  for (int i = 0; i < 50 && before.pods != now.pods; ++i) now = (must_run("sleep 0.1"), state());
  ASSERT_EQ(before.pods.size(), now.pods.size()) << after_what;
  for (std::size_t i = 0; i < now.pods.size(); ++i) EXPECT_EQ(before.pods[i], now.pods[i]) << "after " << after_what;
}

}  // namespace barewire::test
