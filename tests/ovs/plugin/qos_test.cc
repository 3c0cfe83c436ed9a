// SPDX-License-Identifier: Apache-2.0
/// Rates of pods on a bridge: what a flow gets, which rows there are, and that they go.
#include <boost/json/parse.hpp>

#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OvsQosTest : public OvsPluginTest {
 protected:
  /// Mb/s that `to` receives from `from` by TCP, as iperf3 on the receiver's side counts.
  static double rate_between(const std::string& from, const std::string& to, const std::string& address) {
    run_in("/run/netns/" + to, "timeout 120 iperf3 -s -1 >/dev/null 2>&1 &");
    // It exits with 0 also where nobody listens yet, and says so in its JSON.
    const std::string json = must_run_in(
        "/run/netns/" + from, "for i in $(seq 100); do iperf3 -c " + address +
                                  " -t 3 -J >/run/iperf.json; grep -q sum_received /run/iperf.json && break; "
                                  "sleep 0.1; done; cat /run/iperf.json");
    return boost::json::parse(json).at("end").at("sum_received").at("bits_per_second").to_number<double>() / 1e6;
  }
};

TEST_F(OvsQosTest, WhatAPodReceivesIsShapedToItsRate) {
  if (!run_shell("command -v iperf3").ok()) GTEST_SKIP() << "iperf3 is not installed";
  attach("free", with_address("10.9.0.1/24"));
  const PluginResult limited =
      attach("limited", R"(,"runtimeConfig":{"bandwidth":{"ingressRate":4000000,"ingressBurst":400000}})" +
                            with_address("10.9.0.2/24"));
  const double shaped = rate_between("free", "limited", "10.9.0.2"),
               unshaped = rate_between("limited", "free", "10.9.0.1");
  RecordProperty("shaped_mbps", std::to_string(shaped));
  RecordProperty("unshaped_mbps", std::to_string(unshaped));
  EXPECT_LT(shaped, 6.0);
  EXPECT_GT(unshaped, 3 * shaped);
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
