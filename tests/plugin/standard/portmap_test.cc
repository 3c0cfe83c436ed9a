// SPDX-License-Identifier: Apache-2.0
/// The portmap plugin behind a bridge: connections from everywhere, every key, conflicts, CHECK, DEL, GC.
#include <filesystem>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/plugin/standard/traffic.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kBridge =
    R"({"cniVersion":"1.1.0","name":"mynet","type":"bridge","isDefaultGateway":true,"ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.22.0.0/16"}],[{"subnet":"2001:db8:1::/64"}]]}})";
constexpr const char* kWeb = R"({"hostPort":8080,"containerPort":80,"protocol":"tcp"})";

/// With nftables; what both backends do alike is PortmapByBackend.
class Portmap : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    make_outside();
    other_ = make_netns("pod2");
    result_ = bridge(pod("pod1"));
    other_result_ = bridge(pod("pod2"));
  }
  PluginResult bridge(const CniCall& call) {
    PluginResult result = runner_.add("bridge", kBridge, call);
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }
  /// With the result of bridge for pod1, or `result`.
  std::string config(const std::string& mappings, const std::string& keys = {}) const {
    return config_of(result_, mappings, keys);
  }
  std::string config_of(const PluginResult& result, const std::string& mappings, std::string keys = {}) const {
    if (keys.find("\"backend\"") == std::string::npos) keys += fmt::format(R"("backend":"{}",)", backend_);
    return with_previous(
        fmt::format(
            R"({{"cniVersion":"1.1.0","name":"mynet","type":"portmap",{}"runtimeConfig":{{"portMappings":[{}]}}}})",
            keys, mappings),
        result);
  }
  void add(const std::string& text, const CniCall& call = {}) {
    const PluginResult result = runner_.add("portmap", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
  }
  void del(const std::string& text, const CniCall& call = {}) {
    const PluginResult result = runner_.del("portmap", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
  }
  std::string backend_ = "nftables";
  std::string other_;
  PluginResult result_, other_result_;
};

class PortmapByBackend : public Portmap, public ::testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    Portmap::SetUp();
    if (IsSkipped()) return;
    backend_ = GetParam();
    if (backend_ == "iptables" && !run_in("", "iptables -t nat -nL && ip6tables -t nat -nL").ok())
      GTEST_SKIP() << "the iptables command does not work here";
    const std::string text = config(R"({"hostPort":1,"containerPort":1,"protocol":"tcp"})");
    add(text);  // the chains that all pods share stay
    del(text);
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, PortmapByBackend, ::testing::Values("nftables", "iptables"),
                         [](const auto& one) { return one.param; });

TEST_P(PortmapByBackend, LeadsToThePodFromEverywhereUntilDel) {
  const EchoServer server(pod_, 80, "pod1");
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string text = config(kWeb);
  const PluginResult result = runner_.add("portmap", text);
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(boost::json::serialize(result_.json.at("ips")), boost::json::serialize(result.json.at("ips")));
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 8080)) << "with the client's own address";
  EXPECT_EQ("pod1 2001:db8:ffff::2", ask(outside_, "2001:db8:ffff::1", 8080));
  EXPECT_EQ("pod1 10.22.0.1", ask("", "127.0.0.1", 8080));
  EXPECT_THAT(ask("", "192.0.2.1", 8080), HasSubstr("pod1"));
  EXPECT_THAT(ask("", "2001:db8:1::1", 8080), HasSubstr("pod1"));
  EXPECT_EQ("pod1 10.22.0.1", ask(other_, "10.22.0.1", 8080)) << "a pod of its subnet";
  EXPECT_EQ("pod1 10.22.0.1", ask(pod_, "192.0.2.1", 8080)) << "the pod itself";
  EXPECT_EQ("pod1 2001:db8:1::1", ask(pod_, "2001:db8:ffff::1", 8080));
  EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8081));
  EXPECT_TRUE(runner_.check("portmap", text).ok());
  del(text);
  EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8080));
  EXPECT_EQ("", ask_briefly("", "127.0.0.1", 8080));
  del(text);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_P(PortmapByBackend, MovesAUdpFlowThatIsAlreadyKnown) {
  const EchoServer one(pod_, 53, "pod1"), two(other_, 53, "pod2");
  const std::string mapping = R"({"hostPort":5353,"containerPort":53,"protocol":"UDP"})";
  const UdpClient client(outside_, "192.0.2.1", 5353);
  EXPECT_EQ("", client.ask(2));
  add(config(mapping));
  EXPECT_EQ("pod1 192.0.2.2", client.ask(20));
  del(config(mapping));
  EXPECT_EQ("", client.ask(2));
  add(config_of(other_result_, mapping), pod("pod2"));
  EXPECT_EQ("pod2 192.0.2.2", client.ask(20));
}

TEST_P(PortmapByBackend, KeepsAPortOfOneAddressApartFromTheSamePortOfOthers) {
  const EchoServer one(pod_, 80, "pod1"), two(other_, 80, "pod2");
  add(config(R"({"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"127.0.0.1"})"));
  EXPECT_EQ("pod1 10.22.0.1", ask("", "127.0.0.1", 8080));
  EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8080));
  add(config_of(other_result_, R"({"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"0.0.0.0"})"),
      pod("pod2"));
  EXPECT_EQ("pod1 10.22.0.1", ask("", "127.0.0.1", 8080));
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
  EXPECT_EQ("", ask_briefly(outside_, "2001:db8:ffff::1", 8080)) << "0.0.0.0 stands for IPv4 alone";
}

TEST_F(Portmap, MapsOnlyWhatTheConditionsAllow) {
  const EchoServer server(pod_, 80, "pod1");
  for (const char* conditions :
       {R"(["!","-s","192.0.2.0/24"])", R"(["ip","saddr","!=","192.0.2.2"])", R"(["-i","cni+"])",
        R"(["iifname != \"up0\""])", R"(["meta","iifname","cni0"])", R"(["iif != up0"])",
        R"(["iif","{","lo,","cni0","}"])", R"(["ip","saddr","{10.22.0.0/16,","127.0.0.0/8}"])",
        R"(["ip saddr != { 192.0.2.0/25, 198.51.100.1 }"])", R"(["-s","10.22.0.0/16,127.0.0.1"])"}) {
    const std::string text = config(kWeb, fmt::format(R"("conditionsV4":{},)", conditions));
    add(text);
    EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8080)) << conditions;
    EXPECT_EQ("pod1 10.22.0.1", ask(other_, "10.22.0.1", 8080)) << conditions;
    EXPECT_EQ("pod1 2001:db8:ffff::2", ask(outside_, "2001:db8:ffff::1", 8080)) << conditions;
    EXPECT_TRUE(runner_.check("portmap", text).ok()) << conditions;
    del(text);
  }
  add(config(kWeb, R"("conditionsV6":["ip6","saddr","2001:db8:1::/64"],)"));
  EXPECT_EQ("", ask_briefly(outside_, "2001:db8:ffff::1", 8080));
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
}

TEST_P(PortmapByBackend, MasqueradesEverythingOrNothingWhereAsked) {
  const EchoServer server(pod_, 80, "pod1"), local("", 8080, "node");
  add(config(kWeb, R"("masqAll":true,)"));
  EXPECT_EQ("pod1 10.22.0.1", ask(outside_, "192.0.2.1", 8080));
  del(config(kWeb, R"("masqAll":true,)"));
  add(config(kWeb, R"("snat":false,)"));
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
  // Without a new source it cannot reach a pod; the reference's rule of iptables takes it all the same.
  if (GetParam() == "nftables") {
    EXPECT_EQ("node 127.0.0.1", ask("", "127.0.0.1", 8080));
  }
}

TEST_P(PortmapByBackend, LeavesAHostPortToTheFirstWhileItIsThere) {
  const EchoServer one(pod_, 80, "pod1"), two(other_, 80, "pod2");
  add(config(kWeb));
  add(config_of(other_result_, kWeb), pod("pod2"));
  EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
  EXPECT_TRUE(runner_.check("portmap", config(kWeb)).ok());
  EXPECT_TRUE(runner_.check("portmap", config_of(other_result_, kWeb), pod("pod2")).ok());
  del(config(kWeb));
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 8080)) << "the next gets it";
  EXPECT_EQ("pod2 2001:db8:ffff::2", ask(outside_, "2001:db8:ffff::1", 8080));
  del(config(kWeb));
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 8080)) << "a late DEL must not end another pod's mapping";
  add(config(kWeb));
  del(config(kWeb));
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 8080)) << "who waited in vain takes nothing along";
  del(config_of(other_result_, kWeb), pod("pod2"));
  EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8080));
}

TEST_P(PortmapByBackend, MapsOnePortThroughTwoNetworksOfAContainer) {
  const EchoServer server(pod_, 80, "pod1");
  const CniCall second = pod("pod1", "eth1");
  const PluginResult result = runner_.add(
      "bridge",
      R"({"cniVersion":"1.1.0","name":"two","type":"bridge","bridge":"cni1","isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.23.0.0/16"}})",
      second);
  ASSERT_TRUE(result.ok()) << result;
  std::string other = config_of(result, kWeb);
  other.replace(other.find("mynet"), 5, "two");
  add(config(kWeb));
  add(other, second);
  EXPECT_EQ("pod1 10.22.0.1", ask("", "127.0.0.1", 8080));
  del(config(kWeb));
  EXPECT_EQ("pod1 10.23.0.1", ask("", "127.0.0.1", 8080));
  del(other, second);
  EXPECT_EQ("", ask_briefly("", "127.0.0.1", 8080));
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("8080")));
}

TEST_F(Portmap, TakesAPortFromAPodThatIsGone) {
  const EchoServer two(other_, 80, "pod2");
  add(config(kWeb));
  delete_netns("pod1");
  add(config_of(other_result_, kWeb), pod("pod2"));
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
  del(config(kWeb));
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
}

TEST_P(PortmapByBackend, DelTrustsTheRecordAndManagesWithoutIt) {
  const NodeSnapshot before = NodeSnapshot::take();
  add(config(kWeb));
  del(config(R"({"hostPort":1,"containerPort":1,"protocol":"tcp"})"));
  EXPECT_NODE_UNCHANGED(before);
  add(config(kWeb));
  must_run("rm -r /run/barewire/attachments/mynet/pod1@eth0.portmap.json");
  del(config(kWeb));
  EXPECT_NODE_UNCHANGED(before);
  del(R"({"cniVersion":"1.1.0","name":"mynet","type":"portmap","runtimeConfig":{"portMappings":[{"hostPort":0}]}})");
  add(config(kWeb));
  delete_netns("pod1");
  CniCall nowhere = pod("pod1");
  nowhere.netns.clear();
  del(config(kWeb), nowhere);
  EXPECT_THAT(must_run("nft list ruleset"), Not(HasSubstr("8080")));
}

TEST_P(PortmapByBackend, GcRemovesWhatIsNotListedAndNothingElse) {
  const EchoServer two(other_, 80, "pod2");
  add(config_of(other_result_, kWeb), pod("pod2"));
  const NodeSnapshot before = NodeSnapshot::take();
  add(config(R"({"hostPort":9090,"containerPort":90,"protocol":"sctp"})"));
  const std::string plain = R"({"cniVersion":"1.1.0","name":"mynet","type":"portmap"})";
  EXPECT_TRUE(runner_.gc("portmap", with_valid(plain, R"([{"containerID":"pod2","ifname":"eth0"}])")).ok());
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_EQ("pod2 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
  EXPECT_TRUE(runner_.gc("portmap", with_valid(plain, "[]")).ok());
  EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8080));
}

TEST_F(Portmap, CheckFindsEachMissingPiece) {
  const std::string text = config(kWeb);
  for (const char* damage :
       {"nft delete element inet barewire ports_v4 { tcp . 8080 }",
        "nft delete element inet barewire ports_v6 { tcp . 8080 }", "nft flush chain inet barewire ports",
        "nft delete chain inet barewire ports_out",
        "for c in $(nft list chains inet | grep -o 'portsnat_[0-9a-f]*'); do nft flush chain inet barewire $c; done",
        "nft 'delete element inet barewire ports_v4 { tcp . 8080 }; add element inet barewire ports_v4 { tcp . 8080 : "
        "10.9.9.9 . 1 }'",
        "nft delete table inet barewire"}) {
    add(text);
    EXPECT_TRUE(runner_.check("portmap", text).ok()) << damage;
    must_run(damage);
    const PluginResult found = runner_.check("portmap", text);
    EXPECT_EQ(104, found.code()) << damage << found;
    del(text);
    run_in("", "nft delete table inet barewire");
  }
  EXPECT_EQ(104, runner_.check("portmap", text).code());
}

TEST_F(Portmap, PassesOnWhatNeedsNothing) {
  const NodeSnapshot before = NodeSnapshot::take();
  add(config(""));
  add(with_previous(R"({"cniVersion":"1.1.0","name":"mynet","type":"portmap"})", result_));
  EXPECT_NODE_UNCHANGED(before);
  EXPECT_TRUE(runner_.status("portmap", R"({"cniVersion":"1.1.0","name":"mynet","type":"portmap"})").ok());
}

TEST_F(Portmap, RefusesBadValuesWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const auto& [mapping, keys, part] : std::vector<std::array<std::string, 3>>{
           {R"({"hostPort":0,"containerPort":80})", "", "hostPort"},
           {R"({"hostPort":65536,"containerPort":80})", "", "hostPort"},
           {R"({"hostPort":80})", "", "containerPort"},
           {R"({"hostPort":80,"containerPort":80,"protocol":"icmp"})", "", "protocol"},
           {R"({"hostPort":80,"containerPort":80,"hostIP":"node"})", "", "hostIP"},
           {kWeb, R"("backend":"ebpf",)", "backend"},
           {kWeb, R"("snat":"no",)", "snat"},
           {kWeb, R"("markMasqBit":32,)", "markMasqBit"},
           {kWeb, R"("markMasqBit":3,"externalSetMarkChain":"X",)", "markMasqBit"},
           {kWeb, R"("backend":"nftables","externalSetMarkChain":"X",)", "externalSetMarkChain"},
           {kWeb, R"("backend":"nftables","conditionsV4":["-m","mark"],)", "conditionsV4"},
           {kWeb, R"("backend":"nftables","conditionsV4":["ip","saddr","{10.0.0.0/8"],)", "conditionsV4"},
           {kWeb, R"("backend":"iptables","conditionsV4":["ip","saddr","10.0.0.0/8"],)", "conditions"},
           {kWeb, R"("backend":"iptables","conditionsV4":["-s","node.example.org"],)", "node.example.org"},
           {kWeb, R"("backend":"iptables","conditionsV4":["-m","comment","--comment","a\nCOMMIT"],)", "control"}}) {
    const PluginResult result = runner_.add("portmap", config(mapping, keys));
    EXPECT_EQ(7, result.code()) << mapping << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << mapping << keys;
  }
  const PluginResult alone = runner_.add("portmap", R"({"cniVersion":"1.1.0","name":"mynet","type":"portmap"})");
  EXPECT_EQ(7, alone.code()) << alone;
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Portmap, UsesIptablesWhereItIsOnTheNodeOrAskedFor) {
  if (!run_in("", "iptables -t nat -L").ok()) GTEST_SKIP() << "the iptables command does not work here";
  const EchoServer server(pod_, 80, "pod1");
  for (const char* keys : {R"("backend":"iptables",)", R"("backend":"",)",
                           R"("backend":"","conditionsV4":["-m","comment","--comment","any"],)"}) {
    const std::string text = config(kWeb, keys);
    add(text);
    EXPECT_THAT(must_run("iptables -t nat -S"), HasSubstr("--dports 8080 ")) << "as nerdctl looks for it";
    EXPECT_THAT(must_run("iptables -t nat -S"), HasSubstr("CNI-HOSTPORT-DNAT"));
    EXPECT_EQ("pod1 192.0.2.2", ask(outside_, "192.0.2.1", 8080));
    EXPECT_EQ("pod1 10.22.0.1", ask("", "127.0.0.1", 8080));
    EXPECT_EQ("pod1 10.22.0.1", ask(pod_, "192.0.2.1", 8080));
    EXPECT_EQ("pod1 2001:db8:ffff::2", ask(outside_, "2001:db8:ffff::1", 8080));
    EXPECT_TRUE(runner_.check("portmap", text).ok());
    del(text);
    EXPECT_EQ("", ask_briefly(outside_, "192.0.2.1", 8080));
    EXPECT_THAT(must_run("iptables -t nat -S; ip6tables -t nat -S"), Not(HasSubstr("CNI-DN-")));
  }
}

TEST_F(Portmap, KilledOrFailingAtAnyStepLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string text = config(R"({"hostPort":8080,"containerPort":80,"protocol":"udp"})");
  const Command command = runner_.command("ADD", "portmap", text);
  const auto attempt = [&](const FaultOutcome& outcome, bool is_rolled_back) {
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    if (!is_rolled_back) del(text);
    EXPECT_EQ("", before.difference(NodeSnapshot::take())) << "struck at " << where;
    del(text);
    return outcome;
  };
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after), false); }), 5U);
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(fail_at(command, n, EIO), false); }), 5U);
}

TEST_F(Portmap, KilledAmongItsIptablesRulesLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  if (!run_in("", "iptables -t nat -nL").ok()) GTEST_SKIP() << "the iptables command does not work here";
  backend_ = "iptables";
  const std::string text = config(kWeb);
  add(text);
  del(text);
  const NodeSnapshot before = NodeSnapshot::take();
  const Command command = runner_.command("ADD", "portmap", text);
  constexpr std::size_t kStride = 7;  // most of them are within the command, whose changes are transactions
  const std::size_t steps = for_each_mutation([&](std::size_t n) {
    FaultOutcome outcome = kill_at(command, n * kStride, KillTime::after);
    del(text);
    EXPECT_EQ("", before.difference(NodeSnapshot::take()))
        << "struck at " << (outcome.mutations.empty() ? "" : outcome.mutations.back());
    return outcome;
  });
  EXPECT_GT(steps, 2U);
}

/// CVE-2020-8558, and mappings of 127.0.0.1 that the network could use.
TEST_P(PortmapByBackend, KeepsLoopbackTheNodesOwn) {
  const EchoServer secret("", 9999, "secret"), server(pod_, 80, "pod1");
  const std::string text = config(R"({"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"127.0.0.1"})");
  for (const std::string& who : {other_, outside_}) {
    const bool is_pod = who == other_;
    must_run_in(
        who,
        fmt::format("sysctl -qw net.ipv4.conf.all.route_localnet=1 && ip addr del 127.0.0.1/8 dev lo && "
                    "ip route add 127.0.0.1 via {} dev eth0 src {}",
                    is_pod ? "10.22.0.1" : "192.0.2.1",
                    is_pod ? must_run_in(who, "ip -4 -br addr show eth0 | grep -o '10[0-9.]*' | head -n 1 | tr -d '\n'")
                           : "192.0.2.2"));
  }
  add(text);
  EXPECT_EQ("1\n", must_run("cat /proc/sys/net/ipv4/conf/cni0/route_localnet"));
  EXPECT_EQ("pod1 10.22.0.1", ask("", "127.0.0.1", 8080));
  for (const std::string& who : {other_, outside_}) {
    EXPECT_EQ("", ask_briefly(who, "127.0.0.1", 9999));
    EXPECT_EQ("", ask_briefly(who, "127.0.0.1", 8080));
  }
  EXPECT_THAT(must_run("nft list chain inet barewire loopback"),
              ::testing::ContainsRegex("ip daddr 127.0.0.0/8 counter packets [1-9]"));
  EXPECT_TRUE(runner_.check("portmap", text).ok());
  must_run("nft flush chain inet barewire loopback");
  EXPECT_EQ(104, runner_.check("portmap", text).code());
  del(text);
  EXPECT_EQ("0\n", must_run("cat /proc/sys/net/ipv4/conf/cni0/route_localnet")) << "never without the guard";
}

}  // namespace
}  // namespace barewire::test
