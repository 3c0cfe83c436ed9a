// SPDX-License-Identifier: Apache-2.0
/// Port mappings and masquerading on a node whose nat table has rules of others: kube-proxy's in both its shapes,
/// ip-masq-agent's, an admin's. Theirs come first, and their counters show it.
#include <filesystem>
#include <regex>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/plugin/standard/traffic.h"
#include "tests/support/command.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kReference = "/usr/lib/cni";

class OthersRules : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    if (!run_in("", "iptables -t nat -nL").ok()) GTEST_SKIP() << "the iptables command does not work here";
    make_outside();
    other_ = make_netns("pod2");
    must_run("sysctl -qw net.ipv4.ip_forward=1; ip addr add 192.0.2.77/24 dev up0");
  }
  static std::string bridge() {
    return R"({"cniVersion":"1.0.0","name":"mynet","type":"bridge","isDefaultGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","subnet":"10.22.0.0/16"}})";
  }
  PluginResult add_bridge(const PluginRunner& runner, const CniCall& call = {}) {
    PluginResult result = runner.add("bridge", bridge(), call);
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }
  void map(const PluginRunner& runner, const PluginResult& result, int host_port, const CniCall& call = {}) {
    const PluginResult mapped = runner.add(
        "portmap",
        with_previous(
            fmt::format(
                R"({{"cniVersion":"1.0.0","name":"mynet","type":"portmap","runtimeConfig":{{"portMappings":[{{"hostPort":{},"containerPort":443,"protocol":"tcp"}}]}}}})",
                host_port),
            result),
        call);
    EXPECT_TRUE(mapped.ok()) << mapped;
  }
  /// Packets that the first rule of the nat table which holds `part` has seen.
  static int packets(const std::string& part) {
    const std::string rules = must_run("iptables-save -c -t nat");
    std::smatch found;
    const std::regex line("\\[([0-9]+):[0-9]+\\] -A " + part);
    return std::regex_search(rules, found, line) ? std::stoi(found[1]) : -1;
  }
  static void kube_services() {
    must_run(
        "iptables -t nat -N KUBE-SERVICES; for c in PREROUTING OUTPUT; do iptables -t nat -I $c -j KUBE-SERVICES; "
        "done");
  }
  static CommandResult repair() { return run(command_of(built_program("barewire"), {"repair"})); }
  std::string other_;
};

/// IPVS: the service's address is the node's, and what goes to it is accepted. A listener stands for IPVS.
TEST_F(OthersRules, AServiceOfIpvsKeepsItsPort) {
  kube_services();
  must_run("ip link add kube-ipvs0 type veth peer name kube-end; ip addr add 10.96.0.1/32 dev kube-ipvs0");
  must_run("iptables -t nat -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp --dport 443 -j ACCEPT");
  const EchoServer pod_server(pod_, 443, "pod1"), service("", 443, "service");
  map(runner_, add_bridge(runner_), 443);
  add_bridge(runner_, pod("pod2"));
  EXPECT_EQ("service 10.22.0.3", ask(other_, "10.96.0.1", 443));
  EXPECT_THAT(ask("", "10.96.0.1", 443), HasSubstr("service"));
  EXPECT_EQ(2, packets("KUBE-SERVICES -d 10.96.0.1"));
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 443)) << "the port of other addresses is the pod's";
}

/// iptables: what goes to the service, or to a node port, is translated to another pod.
TEST_F(OthersRules, AServiceOfIptablesKeepsItsPort) {
  kube_services();
  const PluginResult first = add_bridge(runner_), second = add_bridge(runner_, pod("pod2"));
  must_run(
      "iptables -t nat -A KUBE-SERVICES -d 192.0.2.77/32 -p tcp --dport 443 -j DNAT --to-destination 10.22.0.3:443");
  must_run(
      "iptables -t nat -A KUBE-SERVICES -m addrtype --dst-type LOCAL -p tcp --dport 30443 -j DNAT --to-destination "
      "10.22.0.3:443");
  const EchoServer one(pod_, 443, "pod1"), two(other_, 443, "pod2");
  map(runner_, first, 443);
  CniCall again = pod("pod1");
  again.container_id = "pod1b";
  map(runner_, first, 30443, again);
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.77", 443));
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 30443));
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 443));
  EXPECT_EQ(1, packets("KUBE-SERVICES -d 192.0.2.77"));
  EXPECT_EQ(0, packets("CNI-DN-[0-9a-f]* -p tcp -m tcp --dport 30443 -j DNAT"));
}

struct Egress {
  const char* name;
  const char* rules;
};

/// What another machine sees of a pod behind `rules` has to be what it sees with the reference plugins.
class OthersEgress : public OthersRules, public ::testing::WithParamInterface<Egress> {
 protected:
  std::string seen(const PluginRunner& runner) {
    const EchoServer server(outside_, 80, "seen");
    must_run_in(outside_, "ip route replace 10.22.0.0/16 via 192.0.2.1");
    const PluginResult result = add_bridge(runner);
    const std::string answer = ask(pod_, "192.0.2.2", 80);
    EXPECT_TRUE(runner.del("bridge", with_previous(bridge(), result)).ok());
    must_run("rm -rf /var/lib/cni/networks; ip link del cni0");
    return answer;
  }
};

TEST_P(OthersEgress, IsDecidedByTheRulesThatWereThere) {
  if (!std::filesystem::exists(std::string(kReference) + "/bridge"))
    GTEST_SKIP() << "containernetworking-plugins is not installed";
  must_run(GetParam().rules);
  PluginRunner reference(std::string(kReference) + "/bridge");
  reference.install("host-local", std::string(kReference) + "/host-local");
  const std::string expected = seen(reference);
  EXPECT_THAT(expected, HasSubstr("seen "));
  EXPECT_EQ(expected, seen(runner_));
}

const Egress kEgress[] = {
    {"AdminsSnat", "iptables -t nat -A POSTROUTING -s 10.22.0.0/16 -o up0 -j SNAT --to-source 192.0.2.77"},
    {"AdminsExemption", "iptables -t nat -A POSTROUTING -s 10.22.0.0/16 -d 192.0.2.0/24 -j ACCEPT"},
    {"AdminsReturn", "iptables -t nat -A POSTROUTING -s 10.22.0.0/16 -d 192.0.2.0/24 -j RETURN"},
    {"IpMasqAgent",
     "iptables -t nat -N IP-MASQ-AGENT; iptables -t nat -A POSTROUTING -m addrtype ! --dst-type LOCAL -j "
     "IP-MASQ-AGENT; iptables -t nat -A IP-MASQ-AGENT -d 192.0.2.0/24 -j RETURN; iptables -t nat -A IP-MASQ-AGENT -j "
     "MASQUERADE"},
    {"IpMasqAgentToTheWorld",
     "iptables -t nat -N IP-MASQ-AGENT; iptables -t nat -A POSTROUTING -m addrtype ! --dst-type LOCAL -j "
     "IP-MASQ-AGENT; iptables -t nat -A IP-MASQ-AGENT -d 10.0.0.0/8 -j RETURN; iptables -t nat -A IP-MASQ-AGENT -j "
     "MASQUERADE"},
    {"KubePostrouting",
     "iptables -t nat -N KUBE-POSTROUTING; iptables -t nat -I POSTROUTING -j KUBE-POSTROUTING; iptables -t nat -A "
     "KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN; iptables -t nat -A KUBE-POSTROUTING -j MASQUERADE"},
    {"NoRules", "iptables -t nat -N NOTHING"}};
INSTANTIATE_TEST_SUITE_P(Rules, OthersEgress, ::testing::ValuesIn(kEgress),
                         [](const auto& one) { return std::string(one.param.name); });

/// Without iptables' tables the chains of others at the usual priorities decide.
TEST_F(OthersRules, ChainsOfNftablesAtTheUsualPrioritiesComeFirst) {
  must_run(
      "nft -f - <<'EOF'\n"
      "table ip site {\n"
      "  chain pre { type nat hook prerouting priority dstnat; tcp dport 443 ip daddr 192.0.2.77 counter dnat to "
      "10.22.0.3:443; }\n"
      "  chain post { type nat hook postrouting priority srcnat; ip saddr 10.22.0.3 oif up0 counter snat to "
      "192.0.2.77; }\n"
      "}\nEOF");
  const EchoServer one(pod_, 443, "pod1"), two(other_, 443, "pod2"), server(outside_, 80, "seen");
  const PluginResult first = add_bridge(runner_);
  add_bridge(runner_, pod("pod2"));
  const std::string mapping =
      R"({"cniVersion":"1.0.0","name":"mynet","type":"portmap","backend":"nftables","runtimeConfig":{"portMappings":[{"hostPort":443,"containerPort":443,"protocol":"tcp"}]}})";
  ASSERT_TRUE(runner_.add("portmap", with_previous(mapping, first)).ok());
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.77", 443));
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 443));
  EXPECT_EQ("seen 192.0.2.77", ask(other_, "192.0.2.2", 80));
  EXPECT_EQ("seen 192.0.2.1", ask(pod_, "192.0.2.2", 80));
  EXPECT_THAT(must_run("nft list table ip site"), HasSubstr("counter packets 1 "));
}

/// After everything was flushed: repair makes the rules of running pods anew, and new pods get theirs.
class Flushed : public OthersRules, public ::testing::WithParamInterface<std::string> {
 protected:
  static std::string with_backend(const char* text) { return fmt::format(fmt::runtime(text), GetParam()); }
  void add_all() {
    result_ = runner_.add("bridge", bridge_);
    ASSERT_TRUE(result_.ok()) << result_;
    mapping_ = with_previous(mapping_, result_);
    firewall_ = with_previous(firewall_, result_);
    ASSERT_TRUE(runner_.add("portmap", mapping_).ok());
    ASSERT_TRUE(runner_.add("firewall", firewall_).ok());
  }
  void expect_all(const std::string& after) {
    EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 443)) << after;
    EXPECT_EQ("pod1 10.22.0.1", ask("", "127.0.0.1", 443)) << after;
    EXPECT_EQ("seen 192.0.2.1", ask(pod_, "192.0.2.2", 80)) << after;
    EXPECT_TRUE(runner_.check("firewall", firewall_).ok()) << after;
  }
  std::string bridge_ = with_backend(
      R"({{"cniVersion":"1.0.0","name":"mynet","type":"bridge","isDefaultGateway":true,"ipMasq":true,"ipMasqBackend":"{}","macspoofchk":true,"ipam":{{"type":"host-local","subnet":"10.22.0.0/16"}}}})");
  std::string mapping_ = with_backend(
      R"({{"cniVersion":"1.0.0","name":"mynet","type":"portmap","backend":"{}","runtimeConfig":{{"portMappings":[{{"hostPort":443,"containerPort":443,"protocol":"tcp"}}]}}}})");
  std::string firewall_ =
      R"({"cniVersion":"1.0.0","name":"mynet","type":"firewall","backend":"iptables","ingressPolicy":"same-bridge"})";
  PluginResult result_;
};
INSTANTIATE_TEST_SUITE_P(Backends, Flushed, ::testing::Values("nftables", "iptables"),
                         [](const auto& one) { return one.param; });

TEST_P(Flushed, RulesComeBackByRepairAndWithTheNextPod) {
  const EchoServer server(pod_, 443, "pod1"), seen(outside_, 80, "seen");
  add_all();
  for (const char* flush : {"nft flush ruleset", "iptables -F; iptables -t nat -F; nft flush table inet barewire"}) {
    must_run(flush);
    EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 443)) << flush;
    const CommandResult repaired = repair();
    EXPECT_EQ(0, repaired.exit_status) << flush << repaired.out << repaired.err;
    EXPECT_THAT(repaired.out, HasSubstr("made anew")) << flush;
    expect_all(flush);
    EXPECT_THAT(repair().out, HasSubstr("Nothing has drifted")) << flush;
    must_run(flush);
    const PluginResult second = runner_.add("bridge", bridge_, pod("pod2"));
    EXPECT_TRUE(second.ok()) << flush << second;
    EXPECT_EQ("seen 192.0.2.1", ask(other_, "192.0.2.2", 80)) << flush;
    EXPECT_TRUE(runner_.del("bridge", bridge_, pod("pod2")).ok()) << flush;
    EXPECT_EQ(0, repair().exit_status) << flush;
  }
  EXPECT_TRUE(runner_.del("firewall", firewall_).ok());
  EXPECT_TRUE(runner_.del("portmap", mapping_).ok());
  EXPECT_TRUE(runner_.del("bridge", bridge_).ok());
  EXPECT_THAT(must_run("nft list ruleset"), ::testing::Not(HasSubstr("pod1")));
}

}  // namespace
}  // namespace barewire::test
