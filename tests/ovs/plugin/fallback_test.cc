// SPDX-License-Identifier: Apache-2.0
/// ovs on a node whose bridge or switch is not there: pods are served by the plugin under "fallback".
#include "tests/ovs/plugin/ovs_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class OvsFallback : public OvsPluginTest {
 protected:
  void SetUp() override {
    OvsPluginTest::SetUp();
    if (IsSkipped()) return;
    runner_.install("ptp", built_program("barewire-cni"));
  }
  static std::string fallback(const std::string& when = {}) {
    return R"(,"fallback":{"type":"ptp")" + when + "}" + with_address("10.9.0.1/24");
  }
  void expect_served_by_fallback(const std::string& conf) {
    const NodeSnapshot before = NodeSnapshot::take();
    const PluginResult added = add(conf);
    ASSERT_TRUE(added.ok()) << added;
    EXPECT_THAT(must_run_in("/run/netns/pod1", "ip -br address show eth0"), HasSubstr("10.9.0.1/24"));
    EXPECT_TRUE(runner_.check("ovs", with_previous(conf, added)).ok());
    EXPECT_TRUE(del(conf).ok());
    EXPECT_NODE_UNCHANGED(before);
  }
};

TEST_F(OvsFallback, ServesAPodWhoseBridgeIsNotThere) {
  must_run("sysctl -qw net.ipv4.ip_forward=1");  // what ptp leaves on, by design
  expect_served_by_fallback(config(R"(,"bridge":"nowhere")" + fallback()));
  expect_database_as_before();
  EXPECT_EQ(101, add(config(R"(,"bridge":"nowhere")" + fallback(R"(,"when":["no-vswitch"])"))).code());
}

TEST_F(OvsFallback, ServesAPodWhoseSwitchIsDownAndDelFollowsItWhenTheSwitchIsBack) {
  must_run("sysctl -qw net.ipv4.ip_forward=1");
  const std::string dead = R"(,"socket_file":"/run/nobody.sock")";
  expect_served_by_fallback(config(dead + fallback()));
  EXPECT_EQ(11, add(config(dead + fallback(R"(,"when":["no-bridge"])"))).code());
  const NodeSnapshot before = NodeSnapshot::take();
  ASSERT_TRUE(add(config(dead + fallback())).ok());
  EXPECT_TRUE(del(config()).ok());  // the switch is back, the way of ADD is on record
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(OvsFallback, AnswersForStatus) {
  const std::string nowhere = R"(,"bridge":"nowhere")";
  EXPECT_TRUE(runner_.status("ovs", config(nowhere + fallback())).ok());
  EXPECT_EQ(50, runner_.status("ovs", config(nowhere)).code());
}

TEST_F(OvsFallback, ServesAPodWhoseVfIsNotThere) {
  must_run("sysctl -qw net.ipv4.ip_forward=1");
  const std::string gone = R"(,"deviceID":"0000:ff:1f.7")";
  expect_served_by_fallback(config(gone + fallback()));
  expect_database_as_before();
  EXPECT_TRUE(runner_.status("ovs", config(gone + fallback())).ok());
  const std::string other = config(gone + fallback(R"(,"when":["no-bridge"])"));
  EXPECT_EQ(101, add(other).code());
  EXPECT_EQ(50, runner_.status("ovs", other).code());
}

}  // namespace
}  // namespace barewire::test
