// SPDX-License-Identifier: Apache-2.0
/// Rates of pods on a bridge, by ovs and by the chained bandwidth: what a flow gets, what there is, and that it goes.
#include "tests/ovs/plugin/ovs_fixture.h"
#include "tests/support/fault.h"
#include "tests/support/traffic.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OvsQosTest : public OvsPluginTest {
 protected:
  static double rate_between(const std::string& from, const std::string& to, const std::string& address) {
    return tcp_mbps("/run/netns/" + from, "/run/netns/" + to, address);
  }
  /// Pod `limited` has 4 Mb/s one way, seen from it, and no limit the other way.
  void expect_limited(bool receiving) {
    const double in = rate_between("free", "limited", "10.9.0.2"), out = rate_between("limited", "free", "10.9.0.1");
    RecordProperty("received_mbps", std::to_string(in));
    RecordProperty("sent_mbps", std::to_string(out));
    EXPECT_LT(receiving ? in : out, 6.0);
    EXPECT_GT(receiving ? out : in, 3 * (receiving ? in : out));
  }
};

constexpr const char* kReceives = R"("ingressRate":4000000,"ingressBurst":400000)";
constexpr const char* kSends = R"("egressRate":4000000,"egressBurst":400000)";

TEST_F(OvsQosTest, WhatAPodReceivesOrSendsIsShapedToItsRate) {
  if (!run_shell("command -v iperf3").ok()) GTEST_SKIP() << "iperf3 is not installed";
  attach("free", with_address("10.9.0.1/24"));
  for (const bool receiving : {true, false}) {
    const std::string conf =
        config(fmt::format(R"(,"runtimeConfig":{{"bandwidth":{{{}}}}})", receiving ? kReceives : kSends) +
               with_address("10.9.0.2/24"));
    make_netns("limited");
    const PluginResult limited = add(conf, pod("limited"));
    ASSERT_TRUE(limited.ok()) << limited;
    expect_limited(receiving);
    const std::string whole = with_previous(conf, limited);
    EXPECT_TRUE(runner_.check("ovs", whole, pod("limited")).ok()) << runner_.check("ovs", whole, pod("limited"));
    if (!receiving) {
      must_run_in("/run/netns/limited", "tc qdisc del dev eth0 root");
      EXPECT_THAT(runner_.check("ovs", whole, pod("limited")).msg(), HasSubstr("eth0 has no rate"));
    }
    EXPECT_TRUE(del(conf, pod("limited")).ok());
    delete_netns("limited");
  }
}

class OvsBandwidth : public OvsQosTest {
 protected:
  void SetUp() override {
    OvsQosTest::SetUp();
    if (IsSkipped()) return;
    if (!run_shell("command -v iperf3").ok()) GTEST_SKIP() << "iperf3 is not installed";
    if (!run_shell("ip link add probe type ifb && ip link del probe").ok())
      GTEST_SKIP() << "this kernel has no ifb devices";
    attach("free", with_address("10.9.0.1/24"));
    attached_ = attach("limited", with_address("10.9.0.2/24"));
  }
  std::string chained(const std::string& keys) const {
    return with_previous(R"({"cniVersion":"1.1.0","name":"lan","type":"bandwidth",)" + keys + "}", attached_);
  }
  PluginResult call(const std::string& verb, const std::string& keys) const {
    return runner_.call(verb, "bandwidth", chained(keys), pod("limited"));
  }
  static std::string rates() {
    return must_run_in("/run/netns/limited",
                       "tc qdisc show | grep -E 'tbf|ingress' || true; ip -br link | grep bwp || true");
  }
  PluginResult attached_;
};

TEST_F(OvsBandwidth, ChainedLimitsAPortOfTheUserspaceDatapathUntilDel) {
  const NodeSnapshot before = NodeSnapshot::take();
  for (const bool receiving : {true, false}) {
    const std::string keys = receiving ? kReceives : kSends;
    const PluginResult result = call("ADD", keys);
    ASSERT_TRUE(result.ok()) << result;
    expect_limited(receiving);
    EXPECT_TRUE(call("CHECK", keys).ok()) << call("CHECK", keys);
    // The switch makes its ports anew.
    ovs->kill_vswitchd();
    ovs->start_vswitchd();
    ovs->vsctl("set Open_vSwitch . external_ids:touched=1");  // waits for the switch
    EXPECT_TRUE(call("CHECK", keys).ok()) << call("CHECK", keys);
    EXPECT_LT(receiving ? rate_between("free", "limited", "10.9.0.2") : rate_between("limited", "free", "10.9.0.1"), 6);
    must_run_in("/run/netns/limited", receiving ? "tc qdisc del dev eth0 ingress" : "tc qdisc del dev eth0 root");
    EXPECT_EQ(104, call("CHECK", keys).code());
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(call("DEL", keys).ok());
    EXPECT_EQ("", rates());
  }
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(OvsBandwidth, ChainedThatDiesOrFailsAnywhereLeavesNothingInThePod) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const std::string keys = std::string(kReceives) + "," + kSends;
  const NodeSnapshot before = NodeSnapshot::take_devices();
  const auto attempt = [&](const FaultOutcome& outcome) {
    EXPECT_TRUE(call("DEL", keys).ok());
    const std::string where = outcome.mutations.empty() ? "" : outcome.mutations.back();
    EXPECT_EQ("", rates()) << "struck at " << where;
    EXPECT_EQ("", before.difference(NodeSnapshot::take_devices())) << "struck at " << where;
    return outcome;
  };
  const Command command = runner_.command("ADD", "bandwidth", chained(keys), pod("limited"));
  EXPECT_GT(for_each_mutation([&](std::size_t n) {
              return attempt(n % 2 == 0 ? kill_at(command, n, KillTime::after) : fail_at(command, n, EIO));
            }),
            10U);
  EXPECT_TRUE(call("ADD", keys).ok());
  delete_netns("limited");
  EXPECT_TRUE(call("DEL", keys).ok());
}

TEST_F(OvsQosTest, RowsAreMadeCheckedAndTakenAway) {
  const std::string keys =
      R"(,"ingress_policing":{"rate":8000000,"burst":800000},"qos":{"max_rate":50000000,"queues":[)"
      R"({"id":0,"max_rate":20000000},{"id":3,"min_rate":5000000,"max_rate":50000000,"priority":1,"dscp":46}]})";
  const PluginResult result = attach("a", keys);
  const std::string port = interface_name(result, 0), whole = with_previous(config(keys), result);
  EXPECT_EQ(ovs->vsctl("get Interface " + port + " ingress_policing_rate ingress_policing_burst"), "8000\n800\n");
  EXPECT_THAT(ovs->vsctl("list QoS"), AllOf(HasSubstr("linux-htb"), HasSubstr("max-rate=\"50000000\"")));
  EXPECT_THAT(ovs->vsctl("--bare --columns=dscp find Queue dscp=46"), HasSubstr("46"));
  EXPECT_TRUE(runner_.check("ovs", whole, pod("a")).ok()) << runner_.check("ovs", whole, pod("a"));
  ovs->vsctl("set Interface " + port + " ingress_policing_rate=1 -- set QoS " + port_column(result, "qos") +
             " other_config:max-rate=1 -- set Port " + port + " external_ids:note=1");
  EXPECT_THAT(runner_.check("ovs", whole, pod("a")).msg(),
              AllOf(HasSubstr("Interface.ingress_policing_rate is 1, expected 8000"), HasSubstr("QoS.other_config")));
  EXPECT_TRUE(del(config(keys), pod("a")).ok());
  expect_database_as_before();
}

TEST_F(OvsQosTest, AnothersQosStaysWhenThePortGoes) {
  const PluginResult result = attach("a", R"(,"qos":{"max_rate":1000000})");
  ovs->vsctl("-- --id=@q create QoS type=linux-htb external_ids:site=lab -- set Port " + interface_name(result, 0) +
             " qos=@q");
  EXPECT_TRUE(del(config(), pod("a")).ok());
  EXPECT_THAT(ovs->vsctl("list QoS"), HasSubstr("site=lab"));
}

}  // namespace
}  // namespace barewire::test
