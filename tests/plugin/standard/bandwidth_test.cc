// SPDX-License-Identifier: Apache-2.0
/// The bandwidth plugin behind a bridge: rates in the kernel and on the wire, CHECK, DEL, GC, failures.
#include <chrono>

#include "tests/plugin/standard/standard_fixture.h"
#include "tests/plugin/standard/traffic.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kBridge =
    R"({"cniVersion":"1.1.0","name":"mynet","type":"bridge","isDefaultGateway":true,"ipam":{"type":"host-local","subnet":"10.22.0.0/16"}})";
constexpr const char* kBoth =
    R"("ingressRate":8000000,"ingressBurst":400000,"egressRate":16000000,"egressBurst":400000)";

class Bandwidth : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    if (!run_in("", "ip link add probe type ifb && ip link del probe").ok())
      GTEST_SKIP() << "this kernel has no ifb devices";
    result_ = runner_.add("bridge", kBridge);
    ASSERT_TRUE(result_.ok()) << result_;
    port_ = result_.json.at("interfaces").as_array().at(1).at("name").as_string();
  }
  std::string config(const std::string& keys) const {
    const std::string comma = keys.empty() ? "" : ",";
    return with_previous(R"({"cniVersion":"1.1.0","name":"mynet","type":"bandwidth")" + comma + keys + "}", result_);
  }
  PluginResult add(const std::string& keys) {
    PluginResult result = runner_.add("bandwidth", config(keys));
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }
  static std::string qdiscs() { return must_run("tc qdisc show | grep -E 'tbf|ingress' || true"); }
  std::string port_;
  PluginResult result_;
};

TEST_F(Bandwidth, LimitsBothDirectionsUntilDel) {
  const NodeSnapshot before = NodeSnapshot::take();
  const PluginResult result = add(kBoth);
  const auto& interfaces = result.json.at("interfaces").as_array();
  ASSERT_EQ(4U, interfaces.size());
  const std::string ifb(interfaces.at(3).at("name").as_string());
  EXPECT_THAT(ifb, ::testing::StartsWith("bwp"));
  EXPECT_THAT(must_run("tc qdisc show dev " + port_),
              AllOf(HasSubstr("tbf"), HasSubstr("rate 8Mbit"), HasSubstr("ingress")));
  EXPECT_THAT(must_run("tc qdisc show dev " + ifb), AllOf(HasSubstr("tbf"), HasSubstr("rate 16Mbit")));
  constexpr std::size_t kBytes = 1000000;
  EXPECT_GT(seconds_to_send("", "10.22.0.2", pod_, kBytes), 0.8) << "a million bytes at a million bytes per second";
  EXPECT_GT(seconds_to_send(pod_, "10.22.0.1", "", kBytes), 0.4) << "at two million";
  EXPECT_TRUE(runner_.check("bandwidth", config(kBoth)).ok());
  EXPECT_TRUE(runner_.del("bandwidth", config(kBoth)).ok());
  EXPECT_EQ("", qdiscs());
  EXPECT_TRUE(runner_.del("bandwidth", config(kBoth)).ok());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Bandwidth, TakesTheRuntimesRatesWhereTheConfigurationHasNone) {
  add(R"("runtimeConfig":{"bandwidth":{"ingressRate":8000000,"ingressBurst":400000}})");
  EXPECT_THAT(qdiscs(), AllOf(HasSubstr("rate 8Mbit"), Not(HasSubstr("ingress"))));
  EXPECT_TRUE(runner_.del("bandwidth", config("")).ok());
  EXPECT_EQ("", qdiscs()) << "the record, not the configuration, tells what to remove";
  add(R"("ingressRate":4000000,"ingressBurst":400000,"runtimeConfig":{"bandwidth":{"ingressRate":8000000,"ingressBurst":400000}})");
  EXPECT_THAT(qdiscs(), HasSubstr("rate 4Mbit"));
}

TEST_F(Bandwidth, TakesRatesBeyond32Bits) {
  const std::string keys = R"("egressRate":80000000000,"egressBurst":8000000)";
  add(keys);
  EXPECT_THAT(qdiscs(), HasSubstr("rate 80Gbit"));
  EXPECT_TRUE(runner_.check("bandwidth", config(keys)).ok());
}

TEST_F(Bandwidth, DelManagesWithThePodGoneAndGcWithNobodyLeft) {
  add(kBoth);
  const std::string plain = R"({"cniVersion":"1.1.0","name":"mynet","type":"bandwidth"})";
  EXPECT_TRUE(runner_.gc("bandwidth", with_valid(plain, R"([{"containerID":"pod1","ifname":"eth0"}])")).ok());
  EXPECT_THAT(qdiscs(), HasSubstr("tbf"));
  EXPECT_TRUE(runner_.gc("bandwidth", with_valid(plain, "[]")).ok());
  EXPECT_EQ("", qdiscs());
  add(kBoth);
  delete_netns("pod1");
  EXPECT_TRUE(runner_.del("bandwidth", config(kBoth)).ok());
  EXPECT_THAT(must_run("ip link"), Not(HasSubstr("bwp")));
}

TEST_F(Bandwidth, CheckFindsEachMissingPiece) {
  const std::string ifb(add(kBoth).json.at("interfaces").as_array().at(3).at("name").as_string());
  EXPECT_TRUE(runner_.del("bandwidth", config(kBoth)).ok());
  for (const std::string& damage : {"tc qdisc del dev " + port_ + " root", "tc qdisc del dev " + port_ + " ingress",
                                    "tc qdisc del dev " + ifb + " root",
                                    "tc qdisc replace dev " + port_ + " root tbf rate 9mbit burst 50000 limit 75000",
                                    "ip link set " + ifb + " down", "ip link del " + ifb}) {
    add(kBoth);
    EXPECT_TRUE(runner_.check("bandwidth", config(kBoth)).ok()) << damage;
    must_run(damage);
    EXPECT_EQ(104, runner_.check("bandwidth", config(kBoth)).code()) << damage;
    EXPECT_TRUE(runner_.del("bandwidth", config(kBoth)).ok()) << damage;
    EXPECT_EQ("", qdiscs());
  }
}

TEST_F(Bandwidth, RefusesBadValuesWithNothingTouched) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const auto& [keys, part] : std::vector<std::pair<std::string, std::string>>{
           {R"("ingressRate":8)", "ingressBurst"},
           {R"("egressBurst":8)", "egressRate"},
           {R"("ingressRate":-1,"ingressBurst":8)", "ingressRate"},
           {R"("ingressRate":"8M","ingressBurst":8)", "ingressRate"},
           {R"("ingressRate":8,"ingressBurst":34359738369)", "ingressBurst"}}) {
    const PluginResult result = runner_.add("bandwidth", config(keys));
    EXPECT_EQ(7, result.code()) << keys << result;
    EXPECT_THAT(result.msg(), HasSubstr(part)) << keys;
  }
  EXPECT_TRUE(runner_.add("bandwidth", config("")).ok());
  EXPECT_TRUE(runner_.add("bandwidth", config(R"("ingressRate":0,"ingressBurst":0)")).ok());
  must_run_in(pod_, "ip link add net1 type ifb");
  const PluginResult other = runner_.add("bandwidth", config(kBoth), pod("pod1", "net1"));
  EXPECT_EQ(101, other.code()) << other;
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Bandwidth, KilledOrFailingAtAnyStepLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const NodeSnapshot before = NodeSnapshot::take();
  const Command command = runner_.command("ADD", "bandwidth", config(kBoth));
  const auto attempt = [&](const FaultOutcome& outcome) {
    EXPECT_TRUE(runner_.del("bandwidth", config(kBoth)).ok());
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    EXPECT_EQ("", before.difference(NodeSnapshot::take())) << "struck at " << where;
    EXPECT_EQ("", qdiscs()) << "struck at " << where;
    return outcome;
  };
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after)); }), 5U);
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(fail_at(command, n, EIO)); }), 5U);
}

}  // namespace
}  // namespace barewire::test
