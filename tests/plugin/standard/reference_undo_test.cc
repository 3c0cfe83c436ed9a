// SPDX-License-Identifier: Apache-2.0
/// A node changes suites under running pods: what Debian's reference plugins made goes with our DEL and with
/// `barewire gc`, and what we made goes with `barewire gc` after theirs.
#include <filesystem>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/command.h"

namespace barewire::test {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kReference = "/usr/lib/cni";

/// A chain of every plugin that leaves something on the node, in order.
struct Step {
  const char* plugin;
  const char* keys;
};
const Step kBridgeChain[] = {
    {"bridge",
     R"("bridge":"cni0","isGateway":true,"ipMasq":true,"macspoofchk":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.22.0.0/24"}],[{"subnet":"2001:db8:1::/64"}]]})"},
    {"portmap",
     R"("runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"},{"hostPort":5353,"containerPort":53,"protocol":"udp"}]})"},
    {"firewall", R"("backend":"iptables")"},
    {"bandwidth", R"("ingressRate":20000000,"ingressBurst":20000000,"egressRate":20000000,"egressBurst":20000000)"},
    {"tuning", R"("mtu":1400)"}};
const Step kPtpChain[] = {
    {"ptp", R"("ipMasq":true,"ipam":{"type":"host-local","subnet":"10.23.0.0/24","routes":[{"dst":"0.0.0.0/0"}]})"},
    {"portmap", R"("runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]})"}};

class ReferenceUndo : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    for (const char* name : {"bridge", "ptp", "portmap", "firewall", "bandwidth", "tuning", "host-local"}) {
      if (!std::filesystem::exists(fmt::format("{}/{}", kReference, name)))
        GTEST_SKIP() << "containernetworking-plugins is not installed";
      reference_.install(name, fmt::format("{}/{}", kReference, name));
    }
    if (!run_in("", "iptables -t nat -nL && ip link add probe type ifb && ip link del probe").ok())
      GTEST_SKIP() << "the iptables command does not work here, or this kernel has no ifb devices";
  }
  static std::string config(const Step& step, const json::value& previous) {
    const std::string last = previous.is_null() ? "" : ",\"prevResult\":" + json::serialize(previous);
    return fmt::format(R"({{"cniVersion":"1.0.0","name":"mynet","type":"{}",{}{}}})", step.plugin, step.keys, last);
  }
  template <std::size_t N>
  json::value add(const PluginRunner& runner, const Step (&chain)[N], const CniCall& call = {}) {
    json::value previous;
    for (const Step& step : chain) {
      const PluginResult result = runner.add(step.plugin, config(step, previous), call);
      EXPECT_TRUE(result.ok()) << step.plugin << result;
      if (result.ok()) previous = result.json;
    }
    return previous;
  }
  template <std::size_t N>
  void del(const PluginRunner& runner, const Step (&chain)[N], const json::value& previous, const CniCall& call = {}) {
    for (std::size_t i = N; i-- > 0;) {
      const PluginResult result = runner.del(chain[i].plugin, config(chain[i], previous), call);
      EXPECT_TRUE(result.ok()) << chain[i].plugin << result;
    }
  }
  /// Everything that names the pod or has its address.
  static std::string traces() {
    return must_run(
        "nft list ruleset | grep -E 'pod1|10\\.2[23]\\.0\\.2|2001:db8:1::2|CNI-DN-|CNI-[0-9a-f]{8}|br-iface' || true; "
        "(iptables-save; ip6tables-save)" +
        std::string(" | grep -E 'pod1|10\\.2[23]\\.0\\.2|CNI-DN-|CNI-[0-9a-f]{8}' || true;") +
        "ip -o link show type ifb; ls /run/cni/tuning 2>/dev/null; "
        "ls /var/lib/cni/networks/mynet 2>/dev/null | grep -v -e lock -e last || true");
  }
  static std::string gc() {
    const CommandResult result =
        run(command_of(built_program("barewire"), {"gc", "--min-age", "0", "--own-pid-namespace"}));
    EXPECT_EQ(0, result.exit_status) << result.out << result.err;
    return result.out;
  }
  PluginRunner reference_{std::string(kReference) + "/bridge"};
};

TEST_F(ReferenceUndo, OurDelRemovesWhatTheirAddMade) {
  for (const bool has_netns : {true, false}) {
    const json::value result = add(reference_, kBridgeChain);
    EXPECT_THAT(must_run("iptables -t nat -S; ip link"), ::testing::AllOf(HasSubstr("CNI-DN-"), HasSubstr("bwp")));
    CniCall call = pod("pod1");
    if (!has_netns) {
      delete_netns("pod1");
      call.netns.clear();
    }
    del(runner_, kBridgeChain, result, call);
    EXPECT_EQ("", traces()) << has_netns;
    del(runner_, kBridgeChain, result, call);
  }
}

TEST_F(ReferenceUndo, OurDelRemovesWhatTheirAddMadeBehindPtp) {
  const json::value result = add(reference_, kPtpChain);
  delete_netns("pod1");
  del(runner_, kPtpChain, result);
  EXPECT_EQ("", traces());
}

TEST_F(ReferenceUndo, OurDelLeavesOtherPodsOfTheirs) {
  make_netns("pod2");
  const json::value result = add(reference_, kBridgeChain);
  const NodeSnapshot before = NodeSnapshot::take({});
  const Step other[] = {
      kBridgeChain[0],
      {"portmap", R"("runtimeConfig":{"portMappings":[{"hostPort":9090,"containerPort":90,"protocol":"tcp"}]})"},
      kBridgeChain[3]};
  const json::value second = add(reference_, other, pod("pod2"));
  del(runner_, other, second, pod("pod2"));
  EXPECT_EQ("", lasting_difference(before, [] { return NodeSnapshot::take({}); }));
  del(runner_, kBridgeChain, result);
}

/// What newer versions make with nftables, written as they do.
TEST_F(ReferenceUndo, OurDelRemovesTheirRulesOfNftables) {
  must_run(R"(nft -f - <<'EOF'
table inet cni_plugins_masquerade {
  chain masq_checks {
    ip saddr == 10.22.0.2 ip daddr != 10.22.0.0/24 masquerade comment "f19e1eaa0ed5d7ad-MARK, net: mynet, if: eth0, id: pod1"
    ip saddr == 10.22.0.3 ip daddr != 10.22.0.0/24 masquerade comment "another, net: mynet, if: eth0, id: pod2"
  }
}
table ip cni_hostport {
  chain hostports {
    tcp dport 8080 dnat to 10.22.0.2:80 comment "pod1"
    tcp dport 9090 dnat to 10.22.0.3:80 comment "pod2"
  }
  chain hostip_hostports { }
  chain masquerading { ip saddr 127.0.0.1 ip daddr 10.22.0.2 masquerade comment "pod1"; }
}
EOF)");
  const std::string network = must_run("printf mynet | sha512sum | cut -c1-16 | tr -d '\n'");
  const std::string instance = must_run("printf eth0:pod1 | sha512sum | cut -c1-16 | tr -d '\n'");
  must_run("nft add rule inet cni_plugins_masquerade masq_checks ip saddr 10.22.0.2 masquerade comment '\"" + network +
           "-" + instance + ", net: mynet\"'");
  del(runner_, kBridgeChain, {});
  const std::string rules = must_run("nft list ruleset");
  EXPECT_THAT(rules, Not(HasSubstr("comment \"pod1\"")));
  EXPECT_THAT(rules, Not(HasSubstr(instance)));
  EXPECT_THAT(rules, ::testing::AllOf(HasSubstr("comment \"pod2\""), HasSubstr("another")));
}

TEST_F(ReferenceUndo, OurGcRemovesWhatTheRuntimeDoesNotList) {
  make_netns("pod2");
  add(reference_, kBridgeChain);
  const Step other[] = {
      kBridgeChain[0],
      {"portmap", R"("runtimeConfig":{"portMappings":[{"hostPort":9090,"containerPort":90,"protocol":"tcp"}]})"}};
  add(reference_, other, pod("pod2"));
  const auto collect = [&](const std::string& valid) {
    for (const char* plugin : {"portmap", "bridge"}) {
      const std::string plain = fmt::format(
          R"({{"cniVersion":"1.1.0","name":"mynet","type":"{}","ipam":{{"type":"host-local","subnet":"10.22.0.0/24"}}}})",
          plugin);
      const PluginResult result = runner_.gc(plugin, with_valid(plain, valid));
      EXPECT_TRUE(result.ok()) << result;
    }
    return must_run("iptables-save -t nat; ip6tables-save -t nat");
  };
  EXPECT_THAT(collect(R"([{"containerID":"pod1","ifname":"eth0"},{"containerID":"pod2","ifname":"eth0"}])"),
              ::testing::AllOf(HasSubstr("pod1"), HasSubstr("pod2")));
  EXPECT_THAT(collect(R"([{"containerID":"pod2","ifname":"eth0"}])"),
              ::testing::AllOf(Not(HasSubstr("pod1")), HasSubstr("pod2")));
  EXPECT_THAT(collect("[]"), Not(HasSubstr("pod2")));
}

TEST_F(ReferenceUndo, OurCommandTakesDownTheirPodThatIsGone) {
  std::string plugins;
  for (const Step& step : kBridgeChain)
    plugins += fmt::format("{}{{\"type\":\"{}\",{}}}", plugins.empty() ? "" : ",", step.plugin, step.keys);
  const json::value result = add(reference_, kBridgeChain);
  must_run("mkdir -p /var/lib/cni/results");
  TempDir directory;
  write_text(directory / "list", R"({"cniVersion":"1.0.0","name":"mynet","plugins":[)" + plugins + "]}");
  const std::string list = must_run("base64 -w0 " + directory / "list");
  const std::string cache = "/var/lib/cni/results/mynet-pod1-eth0";
  write_text(
      cache,
      fmt::format(
          R"({{"kind":"cniCacheV1","containerId":"pod1","config":"{}","ifName":"eth0","networkName":"mynet","result":{}}})",
          list, json::serialize(result)));
  EXPECT_THAT(gc(), HasSubstr("Nothing to collect")) << "the pod lives";
  delete_netns("pod1");
  EXPECT_THAT(gc(), HasSubstr("mynet/pod1/eth0"));
  EXPECT_EQ("", traces());
  EXPECT_FALSE(std::filesystem::exists(cache));
  EXPECT_THAT(gc(), HasSubstr("Nothing to collect"));
}

/// Back to the reference under a pod of ours: its DEL, and then `barewire gc`.
TEST_F(ReferenceUndo, OurCommandRemovesWhatWeMadeAfterTheirDel) {
  for (const char* backend : {"iptables", "nftables"}) {
    make_netns("pod2");
    const Step chain[] = {
        kBridgeChain[0],
        {"portmap",
         std::string(backend) == "iptables"
             ? R"("backend":"iptables","runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]})"
             : R"("backend":"nftables","runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]})"},
        kBridgeChain[2],
        kBridgeChain[3],
        kBridgeChain[4]};
    const json::value result = add(runner_, chain, pod("pod2"));
    // Where it misses a chain of its own, the reference's DEL says so, after it has done the rest.
    for (std::size_t i = std::size(chain); i-- > 0;)
      reference_.del(chain[i].plugin, config(chain[i], result), pod("pod2"));
    delete_netns("pod2");
    gc();
    EXPECT_THAT(must_run("nft list ruleset; iptables-save; ip link; ls -R /run/barewire/attachments"),
                ::testing::AllOf(Not(HasSubstr("pod2")), Not(HasSubstr("bwp")), Not(HasSubstr("8080"))))
        << backend;
  }
}

}  // namespace
}  // namespace barewire::test
