// SPDX-License-Identifier: Apache-2.0
/// The same configuration given to ours and to the reference plugins of Debian's containernetworking-plugins: the same
/// result, the same links, addresses, routes and settings on node and pod.
#include <filesystem>
#include <regex>
#include <set>

#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kReference = "/usr/lib/cni";

struct Case {
  const char* name;
  const char* plugin;
  const char* config;
};

/// Names and addresses made up anew for each pod, and what follows from them.
std::string without_random_parts(std::string text) {
  text = std::regex_replace(text, std::regex("veth[0-9a-f]{8}"), "VETH");
  text = std::regex_replace(text, std::regex("fe80::[0-9a-f:]{4,}"), "LINK-LOCAL");
  return std::regex_replace(text, std::regex("[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}"), "MAC");
}

/// What differs on purpose: how masquerading is done; the kernel's queue length, where the reference sends a 0 nobody
/// asked for; no duplicate address detection where nobody else can have the address.
bool differs_on_purpose(const std::string& what) {
  return what == "nft ruleset" || what.ends_with(".txqlen") || what.find("nodad") != std::string::npos;
}

/// Links, addresses, routes of the calling thread's netns.
std::string links_and_routes() {
  const NodeSnapshot snapshot = NodeSnapshot::take({});
  std::set<std::string> lines;
  for (const auto& [what, value] : snapshot.items())
    if (!differs_on_purpose(what)) lines.insert(without_random_parts(fmt::format("{} = {}\n", what, value)));
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

constexpr const char* kNodeSettings = R"(
  sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
  for i in /proc/sys/net/ipv6/conf/*; do echo $i $(cat $i/accept_ra $i/disable_ipv6); done)";
constexpr const char* kPodSettings = R"(
  cd /proc/sys/net/ipv6/conf/eth0 2>/dev/null || exit 0
  echo disable_ipv6 $(cat disable_ipv6) accept_ra $(cat accept_ra))";

class Reference : public StandardTest, public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    for (const char* name : {GetParam().plugin, "host-local"})
      if (!fs::exists(fs::path(kReference) / name))
        GTEST_SKIP() << kReference << "/" << name << " is missing: install containernetworking-plugins";
    must_run_in(pod_, "sysctl -qw net.ipv6.conf.default.accept_dad=0");  // nothing tentative to be caught half-way
    clean_up();
    if (!run_in("", "iptables -t nat -L").ok())
      GTEST_SKIP() << "the iptables command, which the reference masquerades with, does not work here";
  }

  /// As a fresh node: what stays when pods go, goes too.
  static void clean_up() {
    run_in("", "ip link del cni0; ip link del cni0.100");
    must_run("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; rm -rf /var/lib/cni/networks");
  }
  struct State {
    json::value result;
    std::string node, pod, node_settings, pod_settings;
  };
  State state_after(const PluginRunner& runner) {
    const PluginResult added = runner.add(GetParam().plugin, GetParam().config);
    EXPECT_TRUE(added.ok()) << added;
    State state{added.json, links_and_routes(), {}, must_run(kNodeSettings), must_run_in(pod_, kPodSettings)};
    in_netns(pod_, [&] { state.pod = links_and_routes(); });
    state.node_settings = without_random_parts(state.node_settings);
    EXPECT_TRUE(runner.del(GetParam().plugin, GetParam().config).ok());
    state.node += "after DEL:\n" + links_and_routes();
    clean_up();
    return state;
  }
  /// What newer versions of the reference tell and Debian's does not, and empty objects.
  static std::string comparable(json::value result) {
    json::object& object = result.as_object();
    if (const json::value* dns = object.if_contains("dns"); dns != nullptr && dns->as_object().empty())
      object.erase("dns");
    if (json::value* interfaces = object.if_contains("interfaces"))
      for (json::value& interface : interfaces->as_array()) interface.as_object().erase("mtu");
    return without_random_parts(json::serialize(result));
  }
};

TEST_P(Reference, LeavesTheSameNodePodAndResult) {
  PluginRunner theirs(fmt::format("{}/{}", kReference, GetParam().plugin));
  theirs.install("host-local", fmt::format("{}/host-local", kReference));
  const State expected = state_after(theirs);
  const State found = state_after(runner_);
  EXPECT_EQ(comparable(expected.result), comparable(found.result));
  EXPECT_EQ(expected.node, found.node);
  EXPECT_EQ(expected.pod, found.pod);
  EXPECT_EQ(expected.node_settings, found.node_settings);
  EXPECT_EQ(expected.pod_settings, found.pod_settings);
}

const Case kCases[] = {
    {"BridgeGatewayBothFamilies", "bridge",
     R"({"cniVersion":"1.0.0","name":"mynet","type":"bridge","isDefaultGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.22.0.0/16"}],[{"subnet":"2001:db8:1::/64"}]]}})"},
    {"BridgeOldest", "bridge",
     R"({"cniVersion":"0.2.0","name":"mynet","type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.22.0.0/16","routes":[{"dst":"0.0.0.0/0"}]}})"},
    {"BridgePromiscMtuMac", "bridge",
     R"({"cniVersion":"0.4.0","name":"mynet","type":"bridge","promiscMode":true,"mtu":1400,"runtimeConfig":{"mac":"02:00:00:00:00:05"},"ipam":{"type":"host-local","subnet":"10.22.0.0/16"},"dns":{"nameservers":["10.22.0.1"],"search":["example.org"]}})"},
    {"BridgeWithoutAddresses", "bridge", R"({"cniVersion":"0.3.1","name":"mynet","type":"bridge"})"},
    {"Ptp", "ptp",
     R"({"cniVersion":"0.3.1","name":"mynet","type":"ptp","ipMasq":true,"mtu":512,"ipam":{"type":"host-local","subnet":"10.1.1.0/24"},"dns":{"nameservers":["10.1.1.1","8.8.8.8"]}})"},
    {"PtpBothFamilies", "ptp",
     R"({"cniVersion":"1.0.0","name":"mynet","type":"ptp","ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.1.0/24"}],[{"subnet":"2001:db8:1::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}})"},
    {"Loopback", "loopback", R"({"cniVersion":"1.0.0","name":"lo","type":"loopback"})"}};
INSTANTIATE_TEST_SUITE_P(Plugins, Reference, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace barewire::test
