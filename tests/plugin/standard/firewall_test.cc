// SPDX-License-Identifier: Apache-2.0
/// The firewall plugin behind bridges, on nodes whose filter table or firewalld drops what nobody lets through.
#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/command.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kOutside4 = "192.0.2.2";
constexpr const char* kOutside6 = "2001:db8:ffff::2";

class Firewall : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    make_outside();
    result_ = bridge("cni0", 22, pod("pod1"));
  }
  /// A pod of the network on bridge `name`, which the outside answers through masquerade.
  PluginResult bridge(const std::string& name, int subnet, const CniCall& call) {
    PluginResult result = runner_.add(
        "bridge",
        fmt::format(
            R"({{"cniVersion":"1.1.0","name":"{0}net","type":"bridge","bridge":"{0}","isDefaultGateway":true,"ipMasq":true,"ipam":{{"type":"host-local","ranges":[[{{"subnet":"10.{1}.0.0/16"}}],[{{"subnet":"2001:db8:{1}::/64"}}]]}}}})",
            name, subnet),
        call);
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }
  static std::string config_of(const PluginResult& result, const std::string& keys = {}) {
    return with_previous(R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall",)" + keys + R"("unused":1})",
                         result);
  }
  std::string config(const std::string& keys = {}) const { return config_of(result_, keys); }
  void add(const std::string& text, const CniCall& call = {}) {
    const PluginResult result = runner_.add("firewall", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
  }
  void del(const std::string& text, const CniCall& call = {}) {
    const PluginResult result = runner_.del("firewall", text, call);
    EXPECT_TRUE(result.ok()) << text << "\n" << result;
  }
  static void drop_forwarded() { must_run("iptables -P FORWARD DROP && ip6tables -P FORWARD DROP"); }
  static std::string rules() { return must_run("iptables -S; ip6tables -S"); }
  /// What DEL leaves for the next pod.
  void make_shared_chains() {
    drop_forwarded();
    add(config());
    del(config());
  }
  static bool reaches_outside(const std::string& netns) {
    const bool v4 = reaches(netns, kOutside4);
    EXPECT_EQ(v4, reaches(netns, kOutside6));
    return v4;
  }
  static std::string address_of(const PluginResult& result) {
    const std::string address(result.json.at("ips").at(0).at("address").as_string());
    return address.substr(0, address.find('/'));
  }
  PluginResult result_;
};

TEST_F(Firewall, LetsAPodThroughAFilterTableThatDropsUntilDel) {
  make_shared_chains();
  const NodeSnapshot before = NodeSnapshot::take();
  EXPECT_FALSE(reaches_outside(pod_));
  const PluginResult result = runner_.add("firewall", config());
  ASSERT_TRUE(result.ok()) << result;
  EXPECT_EQ(boost::json::serialize(result_.json.at("ips")), boost::json::serialize(result.json.at("ips")));
  EXPECT_TRUE(reaches_outside(pod_));
  EXPECT_THAT(rules(), AllOf(HasSubstr("-A FORWARD"), HasSubstr("mynet/pod1/eth0")));
  EXPECT_TRUE(runner_.check("firewall", config()).ok());
  must_run("iptables -A CNI-ADMIN -d 192.0.2.2 -j DROP");
  EXPECT_FALSE(reaches(pod_, kOutside4)) << "the admin's chain comes first";
  must_run("iptables -F CNI-ADMIN");
  del(config());
  EXPECT_FALSE(reaches_outside(pod_));
  del(config());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Firewall, TakesTheAdminsChainOfAnotherName) {
  drop_forwarded();
  const std::string keys = R"("backend":"iptables","iptablesAdminChainName":"SITE-RULES",)";
  add(config(keys));
  must_run("iptables -A SITE-RULES -d 192.0.2.2 -j DROP");
  EXPECT_FALSE(reaches(pod_, kOutside4));
  EXPECT_TRUE(reaches(pod_, kOutside6));
  del(config(keys));
  EXPECT_THAT(rules(), HasSubstr("-A SITE-RULES")) << "what the admin wrote stays";
}

TEST_F(Firewall, AddsNothingWhereNothingDrops) {
  const std::string before = must_run("nft list ruleset");
  add(config());
  EXPECT_EQ(before, must_run("nft list ruleset"));
  EXPECT_TRUE(runner_.check("firewall", config()).ok());
  EXPECT_TRUE(reaches_outside(pod_));
  del(config());
  EXPECT_EQ(before, must_run("nft list ruleset"));
}

TEST_F(Firewall, StatusTellsOfATableThatNftablesCannotOverrule) {
  const std::string plain = R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall","backend":"nftables"})";
  EXPECT_TRUE(runner_.status("firewall", plain).ok());
  must_run("iptables -P FORWARD DROP");
  const PluginResult status = runner_.status("firewall", plain);
  EXPECT_EQ(51, status.code()) << status;
  EXPECT_THAT(status.msg(), HasSubstr("ip filter FORWARD"));
  EXPECT_TRUE(runner_.status("firewall", R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall"})").ok());
}

TEST_F(Firewall, UndoesWhatTheReferencePluginDid) {
  const std::string theirs = "/usr/lib/cni/firewall";
  if (!std::filesystem::exists(theirs)) GTEST_SKIP() << theirs << " is not installed";
  PluginRunner reference(theirs);
  drop_forwarded();
  const std::string text =
      R"({"cniVersion":"1.0.0","name":"mynet","type":"firewall","backend":"iptables","prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"cni0"}],"ips":[{"address":"10.22.0.2/16","interface":0}]}})";
  ASSERT_TRUE(reference.add("firewall", text).ok());
  EXPECT_THAT(rules(), HasSubstr("-s 10.22.0.2/32 -j ACCEPT"));
  del(text);
  EXPECT_THAT(rules(), Not(HasSubstr("10.22.0.2")));
}

TEST_F(Firewall, KeepsPodsOfOtherBridgesAway) {
  const std::string two = make_netns("pod2"), three = make_netns("pod3");
  const PluginResult same = bridge("cni0", 22, pod("pod2")), other = bridge("cni1", 23, pod("pod3"));
  const std::string keys = R"("ingressPolicy":"same-bridge",)";
  EXPECT_TRUE(reaches(three, address_of(result_)));
  const NodeSnapshot before = NodeSnapshot::take();
  add(config(keys));
  add(config_of(same, keys), pod("pod2"));
  add(config_of(other, keys), pod("pod3"));
  EXPECT_FALSE(reaches(three, address_of(result_)));
  EXPECT_FALSE(reaches(pod_, address_of(other)));
  EXPECT_FALSE(reaches(three, "2001:db8:22::2"));
  EXPECT_TRUE(reaches(two, address_of(result_)));
  EXPECT_TRUE(reaches_outside(three));
  EXPECT_TRUE(runner_.check("firewall", config(keys)).ok());
  del(config(keys));
  EXPECT_FALSE(reaches(three, address_of(same))) << "another pod of the bridge is still there";
  EXPECT_TRUE(runner_.check("firewall", config_of(same, keys), pod("pod2")).ok());
  del(config_of(same, keys), pod("pod2"));
  EXPECT_TRUE(reaches(three, address_of(result_)));
  del(config_of(other, keys), pod("pod3"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Firewall, KeepsPodsOfItsOwnBridgeAwayToo) {
  const std::string two = make_netns("pod2");
  const PluginResult same = bridge("cni0", 22, pod("pod2"));
  const std::string keys = R"("ingressPolicy":"isolated",)";
  const NodeSnapshot before = NodeSnapshot::take();
  for (const char* through : {"1", "0"}) {
    must_run(
        fmt::format("for f in ip ip6; do f=/proc/sys/net/bridge/bridge-nf-call-${{f}}tables; "
                    "[ ! -w $f ] || echo {} >$f; done",
                    through));
    EXPECT_TRUE(reaches(two, address_of(result_)));
    add(config(keys));
    EXPECT_FALSE(reaches(two, address_of(result_)));
    EXPECT_FALSE(reaches(two, "2001:db8:22::2"));
    EXPECT_FALSE(reaches(pod_, address_of(same)));
    EXPECT_TRUE(reaches_outside(pod_));
    EXPECT_TRUE(reaches("", address_of(result_))) << "the node itself";
    must_run_in(two, "ip route add 10.22.0.2 via 10.22.0.1");
    EXPECT_FALSE(reaches(two, address_of(result_))) << "by way of the gateway";
    must_run_in(two, "ip route del 10.22.0.2");
    EXPECT_TRUE(runner_.check("firewall", config(keys)).ok());
    del(config(keys));
    EXPECT_TRUE(reaches(two, address_of(result_)));
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Firewall, CheckFindsEachMissingPiece) {
  drop_forwarded();
  const std::string keys = R"("ingressPolicy":"isolated",)";
  for (const char* damage :
       {"iptables -D FORWARD 1", "ip6tables -D CNI-FORWARD 1", "iptables -F CNI-FORWARD",
        "nft delete element inet barewire firewall_protected_v4 { 10.22.0.2 }",
        "nft flush chain inet barewire firewall",
        "nft delete element inet barewire firewall_isolated_v6 { cni0 . cni0 . 2001:db8:22::2 }",
        "nft flush chain bridge barewire isolation", "nft flush set bridge barewire isolated_ports",
        "rm /run/barewire/attachments/mynet/pod1@eth0.firewall.json"}) {
    add(config(keys));
    EXPECT_TRUE(runner_.check("firewall", config(keys)).ok()) << damage;
    must_run(damage);
    EXPECT_EQ(104, runner_.check("firewall", config(keys)).code()) << damage;
    del(config(keys));
  }
}

TEST_F(Firewall, GcAndDelTakeBackTheirOwnAndNothingElse) {
  make_netns("pod2");
  make_shared_chains();
  const PluginResult other = bridge("cni0", 22, pod("pod2"));
  const std::string keys = R"("ingressPolicy":"isolated",)";
  add(config_of(other, keys), pod("pod2"));
  const NodeSnapshot before = NodeSnapshot::take();
  add(config(keys));
  const std::string plain = R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall"})";
  EXPECT_TRUE(runner_.gc("firewall", with_valid(plain, R"([{"containerID":"pod2","ifname":"eth0"}])")).ok());
  EXPECT_NODE_UNCHANGED(before);
  add(config(keys));
  delete_netns("pod1");
  CniCall nowhere = pod("pod1");
  nowhere.netns.clear();
  del(R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall","backend":5})", nowhere);
  EXPECT_THAT(must_run("nft list ruleset; iptables -S"), Not(HasSubstr("mynet/pod1")));
  EXPECT_THAT(must_run("nft list ruleset; iptables -S"), HasSubstr("mynet/pod2"));
}

TEST_F(Firewall, DelManagesWithoutARecord) {
  make_shared_chains();
  const NodeSnapshot before = NodeSnapshot::take();
  const std::string text = config(R"("ingressPolicy":"isolated",)");
  add(text);
  must_run("rm /run/barewire/attachments/mynet/pod1@eth0.firewall.json");
  del(text);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Firewall, TakesOverAnAddressFromAPodThatIsGone) {
  const std::string keys = R"("ingressPolicy":"same-bridge",)";
  add(config(keys));
  make_netns("pod2");
  add(config(keys), pod("pod2"));
  del(config(keys));
  EXPECT_TRUE(runner_.check("firewall", config(keys), pod("pod2")).ok()) << "a late DEL must not end another's";
}

TEST_F(Firewall, RefusesBadValuesWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  const auto refuse = [&](const std::string& text, int code, const std::string& part) {
    const PluginResult result = runner_.add("firewall", text);
    EXPECT_EQ(code, result.code()) << text << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << text;
  };
  for (const auto& [keys, part] : std::vector<std::pair<std::string, std::string>>{
           {R"("backend":"ebtables",)", "\"backend\" is \"ebtables\""},
           {R"("backend":5,)", "\"backend\" is 5"},
           {R"("backend":"firewalld",)", "firewalld does not run"},
           {R"("iptablesAdminChainName":"-A",)", "iptablesAdminChainName"},
           {R"("iptablesAdminChainName":"a b",)", "iptablesAdminChainName"},
           {R"("iptablesAdminChainName":"a-name-longer-than-iptables-takes",)", "iptablesAdminChainName"},
           {R"("firewalldZone":"--zone",)", "firewalldZone"},
           {R"("ingressPolicy":"closed",)", "\"ingressPolicy\" is \"closed\""},
           {R"("ingressPolicy":true,)", "\"ingressPolicy\" is true"}})
    refuse(config(keys), 7, part);
  refuse(R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall"})", 7, "prevResult");
  const std::string no_bridge =
      R"("ingressPolicy":"same-bridge","prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/pod1"}],"ips":[{"address":"10.1.2.3/24","interface":0}]}})";
  refuse(R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall",)" + no_bridge, 7, "ingressPolicy");
  must_run_in(pod_, "ip link add eth1 type bridge");
  const PluginResult no_veth = runner_.add("firewall", config(R"("ingressPolicy":"isolated",)"), pod("pod1", "eth1"));
  EXPECT_EQ(101, no_veth.code()) << no_veth;
  must_run_in(pod_, "ip link del eth1");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Firewall, KilledOrFailingAtAnyStepLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const std::string text = config(R"("ingressPolicy":"isolated",)");
  const NodeSnapshot before = NodeSnapshot::take();
  const Command command = runner_.command("ADD", "firewall", text);
  const auto attempt = [&](const FaultOutcome& outcome) {
    del(text);
    EXPECT_EQ("", before.difference(NodeSnapshot::take()))
        << "struck at " << (outcome.mutations.empty() ? "" : outcome.mutations.back());
    return outcome;
  };
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after)); }), 5U);
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(fail_at(command, n, EIO)); }), 5U);
}

TEST_F(Firewall, KilledAmongItsIptablesRulesLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  make_shared_chains();
  const NodeSnapshot before = NodeSnapshot::take();
  const Command command = runner_.command("ADD", "firewall", config());
  // Every seventh: most of them are within the iptables command, whose changes are transactions.
  constexpr std::size_t kStride = 7;
  const auto attempt = [&](std::size_t n) {
    FaultOutcome outcome = kill_at(command, n, KillTime::after);
    del(config());
    EXPECT_EQ("", before.difference(NodeSnapshot::take()))
        << "struck at " << (outcome.mutations.empty() ? "" : outcome.mutations.back());
    return outcome;
  };
  EXPECT_GT(for_each_mutation(attempt, kStride), 5U * kStride);
}

/// A bus and a firewalld of the test's own.
class Firewalld : public Firewall {
 protected:
  void SetUp() override {
    for (const char* program : {"busctl", "dbus-daemon"})
      if (!run_shell(fmt::format("command -v {}", program)).ok()) GTEST_SKIP() << program << " is not installed";
    if (!run_shell("/usr/bin/python3 -c 'import firewall.server.server, nftables'").ok())
      GTEST_SKIP() << "python3-firewall and python3-nftables are not installed";
    Firewall::SetUp();
    if (IsSkipped()) return;
    const std::string address = "unix:path=" + (directory_ / "bus");
    write_text(directory_ / "bus.conf",
               "<busconfig><type>system</type><listen>" + address +
                   "</listen><policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/>"
                   "<allow receive_sender=\"*\"/></policy></busconfig>");
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", (std::string(BAREWIRE_FIREWALLD_DIR) + ":" + old_path_).c_str(), 1);
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
    bus_.emplace(command_of("dbus-daemon", {"--config-file=" + (directory_ / "bus.conf"), "--nofork", "--nopidfile"}));
    await("busctl --system list");
    start_daemon("first");
  }
  void TearDown() override {
    if (!old_path_.empty()) ::setenv("PATH", old_path_.c_str(), 1);
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
    Firewall::TearDown();
  }
  void start_daemon(const std::string& configuration) {
    daemon_.emplace(command_of("firewalld", {directory_ / configuration}));
    await(
        "busctl --system --auto-start=no call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 "
        "org.fedoraproject.FirewallD1 getDefaultZone");
  }
  static void await(const std::string& command) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!run_shell(command).ok()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << command;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  TempDir directory_;
  std::string old_path_;
  std::optional<ChildProcess> bus_, daemon_;
};

TEST_F(Firewalld, HasThePodsAddressesInItsZoneUntilDel) {
  EXPECT_FALSE(reaches_outside(pod_)) << "firewalld forwards nothing by itself";
  add(config());
  EXPECT_TRUE(reaches_outside(pod_));
  EXPECT_TRUE(runner_.check("firewall", config()).ok());
  EXPECT_THAT(rules(), Not(HasSubstr("CNI-FORWARD")));
  del(config());
  EXPECT_FALSE(reaches_outside(pod_));
  del(config());
}

TEST_F(Firewalld, RefusesAZoneItDoesNotHave) {
  const PluginResult result = runner_.add("firewall", config(R"("firewalldZone":"nowhere",)"));
  EXPECT_EQ(100, result.code()) << result;
  EXPECT_THAT(result.out, HasSubstr("INVALID_ZONE"));
  EXPECT_FALSE(std::filesystem::exists("/run/barewire/attachments/mynet/pod1@eth0.firewall.json"));
}

TEST_F(Firewalld, IsMissedByCheckWhenItForgetsAndByNobodyAtDel) {
  const std::string keys = R"("backend":"firewalld","firewalldZone":"trusted",)";
  add(config(keys));
  daemon_.reset();
  EXPECT_EQ(104, runner_.check("firewall", config(keys)).code());
  start_daemon("second");
  EXPECT_EQ(104, runner_.check("firewall", config(keys)).code());
  del(config(keys));
  daemon_.reset();
  EXPECT_EQ(7, runner_.add("firewall", config(keys)).code());
  EXPECT_EQ(
      50, runner_.status("firewall", R"({"cniVersion":"1.1.0","name":"mynet","type":"firewall","backend":"firewalld"})")
              .code());
}

}  // namespace
}  // namespace barewire::test
