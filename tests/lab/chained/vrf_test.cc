// SPDX-License-Identifier: Apache-2.0
/// The vrf plugin behind interfaces with addresses and routes of both families.
#include <chrono>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// net1 and net2 of the pod lead to hosts with the same addresses, which only VRFs tell apart.
class Vrf : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    for (const char* number : {"1", "2"}) {
      const std::string net = fmt::format("net{}", number), far = make_netns(fmt::format("far{}", number));
      must_run(fmt::format("ip -n far{} link add eth0 type veth peer name {} netns pod1", number, net));
      must_run_in(far, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
      must_run_in(far,
                  "ip link set eth0 up && ip addr add 192.0.2.1/24 dev eth0 && "
                  "ip addr add 2001:db8:1::1/64 dev eth0 nodad && ip addr add 203.0.113.1/32 dev eth0");
      must_run_in(pod_, fmt::format("ip link set {0} up && ip addr add 192.0.2.{1}0/24 dev {0} && "
                                    "ip addr add 2001:db8:1::{1}0/64 dev {0} nodad && "
                                    "ip route add 203.0.113.0/24 via 192.0.2.1 dev {0} metric {1} && "
                                    "ip route add 2001:db8:9::/64 via 2001:db8:1::1 dev {0} metric {1}",
                                    net, number));
    }
    before_ = routing();
  }
  static std::string config(const std::string& ifname, const std::string& keys) {
    return fmt::format(
        R"({{"cniVersion":"1.1.0","name":"mynet","type":"vrf",{},"prevResult":{{"cniVersion":"1.1.0","interfaces":[{{"name":"{}","sandbox":"/run/netns/pod1"}}],"ips":[{{"address":"192.0.2.10/24","interface":0}}]}}}})",
        keys, ifname);
  }
  void add(const std::string& ifname, const std::string& keys) {
    const PluginResult result = runner_.add("vrf", config(ifname, keys), pod("pod1", ifname));
    ASSERT_TRUE(result.ok()) << keys << result;
    EXPECT_EQ("192.0.2.10/24", result.json.at("ips").at(0).at("address").as_string());
  }
  void del(const std::string& ifname, const std::string& keys) {
    const PluginResult result = runner_.del("vrf", config(ifname, keys), pod("pod1", ifname));
    EXPECT_TRUE(result.ok()) << keys << result;
  }
  /// Addresses, routes of every table and VRFs, without what the kernel makes by itself and lets come and go.
  std::string routing() const {
    return must_run_in(pod_,
                       "{ ip -br addr; ip route show table all type unicast; ip -6 route show table all type unicast; "
                       "ip -br link show type vrf; } | sed 's/@[^ ]*//; s/ fe80[^ ]*//; /proto kernel/d' | sort -u");
  }
  std::string before_;
};

constexpr const char* kBlue = R"("vrfname":"blue")";

TEST_F(Vrf, TellsTheSameAddressesApart) {
  add("net1", kBlue);
  add("net2", R"("vrfname":"red","table":4711)");
  EXPECT_THAT(must_run_in(pod_, "ip -d link show blue"), HasSubstr("vrf table 1 "));
  EXPECT_THAT(must_run_in(pod_, "ip -d link show red"), HasSubstr("vrf table 4711 "));
  for (const char* vrf : {"blue", "red"})
    for (const char* address : {"192.0.2.1", "2001:db8:1::1", "203.0.113.1"})
      EXPECT_TRUE(run_in(pod_, fmt::format("ping -c1 -W5 -n -I {} {}", vrf, address)).ok()) << vrf << address;
  EXPECT_THAT(must_run_in(pod_, "ip route show table 4711"),
              AllOf(HasSubstr("192.0.2.0/24"), HasSubstr("203.0.113.0/24 via 192.0.2.1")));
  EXPECT_THAT(must_run_in(pod_, "ip -6 route show table 1"), HasSubstr("2001:db8:9::/64 via 2001:db8:1::1"));
  EXPECT_EQ("", must_run_in(pod_, "ip route show"));
  EXPECT_TRUE(runner_.check("vrf", config("net1", kBlue), pod("pod1", "net1")).ok());
  del("net2", R"("vrfname":"red","table":4711)");
  del("net1", kBlue);
  del("net1", kBlue);
  EXPECT_EQ(before_, routing());
}

TEST_F(Vrf, StaysUntilItsLastMemberLeaves) {
  add("net1", kBlue);
  add("net2", kBlue);
  EXPECT_THAT(must_run_in(pod_, "ip -br link show master blue"), AllOf(HasSubstr("net1"), HasSubstr("net2")));
  del("net1", kBlue);
  EXPECT_TRUE(runner_.check("vrf", config("net2", kBlue), pod("pod1", "net2")).ok());
  EXPECT_TRUE(runner_.gc("vrf", with_valid(config("net2", kBlue), "[]")).ok());
  EXPECT_EQ(before_, routing());
}

TEST_F(Vrf, RefusesWhatCannotBe) {
  const auto refuse = [&](const std::string& keys, int code, const std::string& part) {
    const PluginResult result = runner_.add("vrf", config("net1", keys), pod("pod1", "net1"));
    EXPECT_EQ(code, result.code()) << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << keys;
  };
  refuse(R"("table":5)", 7, "vrfname");
  refuse(R"("vrfname":"")", 7, "vrfname");
  refuse(R"("vrfname":"a-name-far-too-long")", 7, "vrfname");
  refuse(R"("vrfname":"blue","table":-1)", 7, "table");
  refuse(R"("vrfname":"net2")", 7, "another interface");
  EXPECT_EQ(before_, routing());
  must_run_in(pod_, "ip link add blue type vrf table 9 && ip link set blue up");
  refuse(R"("vrfname":"blue","table":8)", 7, "table 9");
  must_run_in(pod_, "ip link del blue && ip link add br0 type bridge && ip link set net1 master br0");
  refuse(kBlue, 102, "br0");
  const std::string old =
      R"({"cniVersion":"0.3.0","name":"mynet","type":"vrf","vrfname":"blue","prevResult":{"interfaces":[{"name":"net1"}]}})";
  EXPECT_EQ(1, runner_.add("vrf", old, pod("pod1", "net1")).code());
}

TEST_F(Vrf, CheckFindsEachMissingPieceAndDelManagesWithoutThem) {
  for (const char* damage : {"ip link set net1 nomaster", "ip link set blue down", "ip link del blue",
                             "ip link del blue && ip link add blue type bridge"}) {
    add("net1", kBlue);
    must_run_in(pod_, damage);
    EXPECT_EQ(104, runner_.check("vrf", config("net1", kBlue), pod("pod1", "net1")).code()) << damage;
    del("net1", kBlue);
    run_in(pod_, "ip link del blue");
  }
  add("net1", kBlue);
  must_run("rm /run/barewire/attachments/mynet/*.vrf.json");
  del("net1", kBlue);
  EXPECT_FALSE(run_in(pod_, "ip link show blue").ok());
  add("net1", kBlue);
  delete_netns("pod1");
  del("net1", R"("vrfname":5)");
}

/// At a few of the steps: a guest takes its time to trace a program.
TEST_F(Vrf, KilledWhileItJoinsLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  Command command = runner_.command("ADD", "vrf", config("net1", kBlue), pod("pod1", "net1"));
  command.timeout = std::chrono::minutes(3);
  for (const std::size_t step : {4U, 6U, 8U}) {
    const FaultOutcome outcome = kill_at(command, step, KillTime::after);
    EXPECT_TRUE(outcome.struck) << step;
    del("net1", kBlue);
    EXPECT_FALSE(run_in(pod_, "ip link show blue").ok()) << outcome.mutations.back();
    EXPECT_EQ("", must_run("find /run/barewire -name '*.json' 2>/dev/null || true"));
  }
}

}  // namespace
}  // namespace barewire::test
