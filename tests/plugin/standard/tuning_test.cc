// SPDX-License-Identifier: Apache-2.0
/// The tuning plugin behind an interface that is there: every key, the allow-list, and how DEL puts everything back.
#include <filesystem>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPrevious =
    R"("prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"host"},{"name":"eth0","mac":"02:00:00:00:00:01","mtu":1500,"sandbox":"/run/netns/pod1"}],"ips":[{"address":"192.0.2.5/24","interface":1}]})";
constexpr const char* kEverything =
    R"("mac":"02:00:00:00:00:99","mtu":1400,"promisc":true,"allmulti":true,"txQLen":77,"sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1","net/ipv4/ip_local_port_range":"1024 65000"})";

class Tuning : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    must_run("ip link add host type veth peer name eth0 address 02:00:00:00:00:01 netns pod1 && ip link set host up");
    must_run_in(pod_, "ip link set eth0 up && ip addr add 192.0.2.5/24 dev eth0 && ip route add default via 192.0.2.1");
    before_ = link();
  }
  static std::string config(const std::string& keys, const std::string& name = "mynet") {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"{}","type":"tuning",{},{}}})", name, keys, kPrevious);
  }
  /// Without what comes with time.
  std::string link() const { return must_run_in(pod_, "ip -d -o link show eth0 | sed 's/state [A-Z]*//'; ip route"); }
  PluginResult add(const std::string& keys) {
    PluginResult result = runner_.add("tuning", config(keys));
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }
  void allow(const std::string& lines) {
    make_private_directory("/etc/cni/tuning");
    write_text("/etc/cni/tuning/allowlist.conf", lines);
  }
  std::string before_;
};

TEST_F(Tuning, SetsEverythingAskedForAndPutsItBack) {
  const PluginResult result = add(kEverything);
  EXPECT_THAT(link(), AllOf(HasSubstr("02:00:00:00:00:99"), HasSubstr("mtu 1400"), HasSubstr("PROMISC"),
                            HasSubstr("ALLMULTI"), HasSubstr("qlen 77"), HasSubstr("default via 192.0.2.1")));
  EXPECT_EQ("1\n", must_run_in(pod_, "cat /proc/sys/net/ipv4/conf/eth0/arp_filter"));
  EXPECT_EQ("1024\t65000\n", must_run_in(pod_, "cat /proc/sys/net/ipv4/ip_local_port_range"));
  const auto& interface = result.json.at("interfaces").as_array().at(1);
  EXPECT_EQ("02:00:00:00:00:99", interface.at("mac").as_string());
  EXPECT_EQ(1400, interface.at("mtu").as_int64());
  EXPECT_EQ("192.0.2.5/24", result.json.at("ips").as_array().at(0).at("address").as_string());
  EXPECT_TRUE(runner_.check("tuning", config(kEverything)).ok());
  EXPECT_TRUE(runner_.del("tuning", config(kEverything)).ok());
  EXPECT_EQ(before_, link());
  EXPECT_FALSE(std::filesystem::exists("/run/cni/tuning/pod1_eth0.json"));
}

TEST_F(Tuning, TakesArgumentsBeforeTheConfiguration) {
  add(R"("mtu":1400,"promisc":true,"args":{"cni":{"mtu":1300,"promisc":false,"mac":"02:00:00:00:00:98","sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"}}})");
  EXPECT_THAT(link(), AllOf(HasSubstr("mtu 1300"), Not(HasSubstr("PROMISC")), HasSubstr("02:00:00:00:00:98")));
  EXPECT_EQ("1\n", must_run_in(pod_, "cat /proc/sys/net/ipv4/conf/eth0/arp_filter"));
}

TEST_F(Tuning, KeepsTheFirstBackupWhenAChainNamesItTwice) {
  add(R"("mtu":1400)");
  add(R"("mtu":1300,"txQLen":77)");
  EXPECT_TRUE(runner_.del("tuning", config(R"("mtu":1300)")).ok());
  EXPECT_TRUE(runner_.del("tuning", config(R"("mtu":1400)")).ok());
  EXPECT_EQ(before_, link());
}

TEST_F(Tuning, PutsBackWhatTheReferenceChanged) {
  write_text("/run/pod1_eth0.json", R"({"mac":"02:00:00:00:00:01","mtu":1500,"promisc":false})");
  must_run_in(pod_, "ip link set eth0 address 02:00:00:00:00:55 mtu 1234 promisc on");
  EXPECT_TRUE(runner_.del("tuning", config(R"("dataDir":"/run")")).ok());
  EXPECT_EQ(before_, link());
  EXPECT_FALSE(std::filesystem::exists("/run/pod1_eth0.json"));
}

TEST_F(Tuning, DelIsHarmlessTwiceAndWithTheNetnsGone) {
  EXPECT_TRUE(runner_.del("tuning", config(kEverything)).ok());
  add(kEverything);
  must_run("ip link del host");
  delete_netns("pod1");
  EXPECT_TRUE(runner_.del("tuning", config(kEverything)).ok());
  EXPECT_TRUE(runner_.del("tuning", config(kEverything)).ok());
  EXPECT_FALSE(std::filesystem::exists("/run/cni/tuning/pod1_eth0.json"));
}

TEST_F(Tuning, GcPutsBackWhatIsNotListedOfThisNetworkAlone) {
  add(kEverything);
  EXPECT_TRUE(runner_.gc("tuning", with_valid(config(kEverything, "another"), "[]")).ok());
  EXPECT_THAT(link(), HasSubstr("mtu 1400"));
  EXPECT_TRUE(
      runner_.gc("tuning", with_valid(config(kEverything), R"([{"containerID":"pod1","ifname":"eth0"}])")).ok());
  EXPECT_THAT(link(), HasSubstr("mtu 1400"));
  EXPECT_TRUE(runner_.gc("tuning", with_valid(config(kEverything), "[]")).ok());
  EXPECT_EQ(before_, link());
}

TEST_F(Tuning, CheckFindsEachDifference) {
  add(kEverything);
  for (const char* damage : {"ip link set eth0 address 02:00:00:00:00:55", "ip link set eth0 mtu 1200",
                             "ip link set eth0 promisc off", "ip link set eth0 allmulticast off",
                             "ip link set eth0 txqueuelen 5", "echo 0 > /proc/sys/net/ipv4/conf/eth0/arp_filter"}) {
    must_run_in(pod_, damage);
    EXPECT_EQ(104, runner_.check("tuning", config(kEverything)).code()) << damage;
    add(kEverything);
    EXPECT_TRUE(runner_.check("tuning", config(kEverything)).ok()) << damage;
  }
}

TEST_F(Tuning, AllowsOnlySysctlsOfTheList) {
  allow("^net\\.ipv4\\.conf\\.IFNAME\\.arp_[a-z]+$\n\n  net.core.somaxconn\\d?  \n");
  add(R"("sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"})");
  const PluginResult refused = runner_.add("tuning", config(R"("mtu":1400,"sysctl":{"net.ipv4.ip_forward":"1"})"));
  EXPECT_EQ(7, refused.code()) << refused;
  EXPECT_THAT(refused.msg(), HasSubstr("net.ipv4.ip_forward"));
  EXPECT_THAT(link(), HasSubstr("mtu 1500"));
  allow("(");
  EXPECT_EQ(7, runner_.add("tuning", config(R"("sysctl":{"net.ipv4.ip_forward":"1"})")).code());
}

TEST_F(Tuning, TheListIsInTheDialectOfGo) {
  allow("^(?:net/ipv4|net\\.ipv4)[./]conf[./]\\w+[./]arp_(?i)FILTER$\n[[:alpha:]]+\\.core\\.[^.]*?conn\n");
  add(R"("sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"1"})");
  add(R"("sysctl":{"net/ipv4/conf/eth0/arp_filter":"1"})");
  EXPECT_EQ(7, runner_.add("tuning", config(R"("sysctl":{"net.ipv4.ip_forward":"1"})")).code());
}

TEST_F(Tuning, TakesASysctlByItsPathAndOnlyOnce) {
  add(R"("sysctl":{"/net/ipv4/conf/IFNAME/arp_filter":"1"})");
  EXPECT_EQ("1\n", must_run_in(pod_, "cat /proc/sys/net/ipv4/conf/eth0/arp_filter"));
  for (const char* twice : {R"({"net.ipv4.conf.eth0.arp_filter":"0","net.ipv4.conf.eth0.arp_filter":"0"})",
                            R"({"net.ipv4.conf.eth0.arp_filter":"0","net/ipv4/conf/IFNAME/arp_filter":"1"})"}) {
    const PluginResult refused = runner_.add("tuning", config(fmt::format(R"("sysctl":{})", twice)));
    EXPECT_EQ(7, refused.code()) << refused;
    EXPECT_THAT(refused.msg(), HasSubstr("twice"));
  }
  EXPECT_EQ("1\n", must_run_in(pod_, "cat /proc/sys/net/ipv4/conf/eth0/arp_filter"));
}

TEST_F(Tuning, RefusesBadValuesWithNothingTouched) {
  for (const auto& [keys, part] : std::vector<std::pair<std::string, std::string>>{
           {R"("sysctl":{"kernel.panic":"1"})", "kernel.panic"},
           {R"("sysctl":{"net/../kernel/panic":"1"})", "net/../kernel/panic"},
           {R"("sysctl":{"net.ipv4.ip_forward":1})", "ip_forward"},
           {R"("mtu":-1)", "\"mtu\""},
           {R"("mtu":"9000")", "\"mtu\""},
           {R"("txQLen":-1)", "\"txQLen\""},
           {R"("allmulti":"yes")", "\"allmulti\""},
           {R"("mac":"01:00:00:00:00:01")", "unicast"}}) {
    const PluginResult result = runner_.add("tuning", config(keys));
    EXPECT_EQ(7, result.code()) << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << keys;
    EXPECT_EQ(before_, link());
  }
  const PluginResult alone =
      runner_.add("tuning", R"({"cniVersion":"1.1.0","name":"mynet","type":"tuning","mtu":1400})");
  EXPECT_EQ(7, alone.code()) << alone;
}

TEST_F(Tuning, ASysctlThatTheKernelRefusesUndoesTheRest) {
  const PluginResult result = runner_.add("tuning", config(R"("mtu":1400,"sysctl":{"net.ipv4.no_such_sysctl":"1"})"));
  EXPECT_EQ(100, result.code()) << result;
  EXPECT_EQ(before_, link());
}

TEST_F(Tuning, KilledOrFailingAtAnyStepIsPutBackByDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const std::string text = config(R"("mac":"02:00:00:00:00:99","mtu":1400,"promisc":true)");
  const Command command = runner_.command("ADD", "tuning", text);
  const auto attempt = [&](const FaultOutcome& outcome) {
    EXPECT_TRUE(runner_.del("tuning", text).ok());
    EXPECT_EQ(before_, link()) << "struck at " << (outcome.mutations.empty() ? "" : outcome.mutations.back());
    EXPECT_EQ("", must_run("find /run/cni /run/barewire/attachments -type f 2>/dev/null || true"));
    return outcome;
  };
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after)); }), 5U);
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(fail_at(command, n, EIO)); }), 5U);
}

}  // namespace
}  // namespace barewire::test
