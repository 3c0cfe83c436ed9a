// SPDX-License-Identifier: Apache-2.0
/// The bandwidth plugin behind sriov: the NIC limits the VF, and both plugins' CHECK and DEL know of it.
#include <boost/json/serialize.hpp>

#include "tests/lab/sriov/sriov_lab.h"
#include "tests/support/fault.h"

namespace barewire::test {
namespace {

class Rate : public SriovLab {
 protected:
  void SetUp() override {
    SriovLab::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    before_ = NodeSnapshot::take();
    added_ = must_add(config(0, kOwn), pod("a"));
    attached_ = NodeSnapshot::take();
  }

  std::string chained(const std::string& members) const {
    return fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"bandwidth"{},"prevResult":{}}})", members,
                       boost::json::serialize(added_.json));
  }
  PluginResult limit(const std::string& members) const { return runner_.add("bandwidth", chained(members), pod("a")); }
  void lift() const {
    const PluginResult result = runner_.del("bandwidth", chained(kTen), pod("a"));
    EXPECT_TRUE(result.ok()) << result;
  }
  static std::string rate() { return vf_attribute(0, "rate"); }

  static constexpr const char* kOwn = R"(,"max_tx_rate":100)";
  static constexpr const char* kTen = R"(,"egressRate":10000000,"egressBurst":80000)";
  static constexpr const char* kTenShown = R"({"max_tx":10,"min_tx":0})";

  NodeSnapshot before_, attached_;
  PluginResult added_;
};

TEST_F(Rate, WhatAPodSendsIsLimitedByItsVfAndBothPluginsKnow) {
  const PluginResult limited = limit(kTen);
  ASSERT_TRUE(limited.ok()) << limited;
  EXPECT_EQ(boost::json::serialize(added_.json.at("interfaces")),
            boost::json::serialize(limited.json.at("interfaces")));
  EXPECT_EQ(kTenShown, rate());
  const auto checked = [&] { return runner_.check("bandwidth", chained(kTen), pod("a")); };
  EXPECT_TRUE(checked().ok()) << checked();
  EXPECT_TRUE(check(config(0, kOwn), pod("a"), added_).ok()) << "sriov takes the limit for a drift";

  must_run("ip link set pf0 vf 0 max_tx_rate 50");
  EXPECT_NE(std::string::npos, checked().msg().find("may send 50 Mb/s, not 10")) << checked();
  EXPECT_EQ(104, check(config(0, kOwn), pod("a"), added_).code());
  must_run("ip link set pf0 vf 0 max_tx_rate 10");

  lift();
  EXPECT_NODE_UNCHANGED(attached_);
  lift();
  must_del(config(0, kOwn), pod("a"));
  EXPECT_NODE_UNCHANGED(before_);
}

TEST_F(Rate, WhatNoVfCanDoIsRefusedBeforeAnythingIsTouched) {
  const auto refused = [&](const std::string& members, int code, const char* text) {
    const PluginResult result = limit(members);
    EXPECT_EQ(code, result.code()) << result;
    EXPECT_NE(std::string::npos, result.msg().find(text)) << result;
    EXPECT_NODE_UNCHANGED(attached_);
  };
  refused(R"(,"ingressRate":10000000,"ingressBurst":80000)", 103, "a NIC limits only what a VF sends");
  refused(R"(,"egressRate":999999,"egressBurst":80000)", 7, "\"egressRate\" is too low");
  refused(R"(,"egressRate":2000000000,"egressBurst":80000)", 103, "is more than igb (Intel 82576) accepts");
}

TEST_F(Rate, AVfThatAnotherPodHasByNowKeepsItsRate) {
  ASSERT_TRUE(limit(kTen).ok());
  delete_netns("a");
  must_add(config(0, R"(,"max_tx_rate":10)"), pod("b"));
  lift();
  EXPECT_EQ(kTenShown, rate());
}

TEST_F(Rate, KilledOrFailingAtAnyStepLeavesNothingAfterDel) {
  if (const auto why = why_tracing_is_impossible(); !why.empty()) GTEST_SKIP() << why;
  const Command command = runner_.command("ADD", "bandwidth", chained(kTen), pod("a"));
  const auto attempt = [&](const FaultOutcome& outcome) {
    lift();
    EXPECT_EQ("", attached_.difference(NodeSnapshot::take())) << outcome.mutations.size();
    return outcome;
  };
  constexpr std::size_t kStride = 4;
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(kill_at(command, n, KillTime::after)); }, kStride),
            6U);
  EXPECT_GT(for_each_mutation([&](std::size_t n) { return attempt(fail_at(command, n, EIO)); }, kStride), 6U);
}

}  // namespace
}  // namespace barewire::test
