// SPDX-License-Identifier: Apache-2.0
/// The bandwidth plugin chained behind ovs on the kernel datapath: what flows of the pod get, and that it goes.
#include <boost/json/serialize.hpp>

#include "tests/lab/ovs/kernel_datapath.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/traffic.h"

namespace barewire::test {
namespace {

/// The rates are far below what a guest without them carries on a busy machine.
class KernelDatapathRate : public KernelDatapath {
 protected:
  void SetUp() override {
    KernelDatapath::SetUp();
    if (IsSkipped()) return;
    if (!run_shell("command -v iperf3").ok()) GTEST_SKIP() << "iperf3 is not installed";
    for (const char* module : {"ifb", "sch_tbf", "sch_ingress", "cls_matchall", "act_mirred"})
      must_run(std::string("modprobe ") + module);
    node_ = NodeSnapshot::take();
    attach("free", 1);
    attached_ = attach("limited", 2);
  }

  PluginResult bandwidth(const std::string& verb) const {
    return runner_.call(verb, "bandwidth",
                        R"({"cniVersion":"1.1.0","name":"lan","type":"bandwidth","ingressRate":2000000,)"
                        R"("ingressBurst":200000,"egressRate":6000000,"egressBurst":600000,"prevResult":)" +
                            boost::json::serialize(attached_.json) + "}",
                        pod("limited"));
  }
  static double received() { return tcp_mbps("/run/netns/free", "/run/netns/limited", "10.9.0.2"); }
  static double sent() { return tcp_mbps("/run/netns/limited", "/run/netns/free", "10.9.0.1"); }
  void expect_rates(const char* when) {
    const double in = received(), out = sent();
    RecordProperty(std::string(when) + "_received_mbps", std::to_string(in));
    RecordProperty(std::string(when) + "_sent_mbps", std::to_string(out));
    EXPECT_LT(in, 2.8) << when;
    EXPECT_LT(out, 7.5) << when;
    EXPECT_GT(out, 3.0) << when << ": the rates have changed places";
  }
  /// What in the pod could limit, or lead to what does.
  static std::string left_in_pod() {
    return must_run_in("/run/netns/limited",
                       "tc qdisc show | grep -E 'tbf|ingress' || true; ip -br link show type ifb");
  }

  NodeSnapshot node_;
  PluginResult attached_;
};

TEST_F(KernelDatapathRate, ChainedHoldsBothRatesUntilDelThoughTheSwitchStartsAgain) {
  const auto unlimited = std::pair(received(), sent());
  EXPECT_GT(unlimited.first, 9.0);
  EXPECT_GT(unlimited.second, 9.0);
  const PluginResult limited = bandwidth("ADD");
  ASSERT_TRUE(limited.ok()) << limited;
  EXPECT_NE("", left_in_pod());
  expect_rates("added");
  ovs->kill_vswitchd();
  ovs->start_vswitchd();
  ovs->vsctl("set Open_vSwitch . external_ids:touched=1");  // waits for the switch, which makes its ports' queues anew
  ovs->vsctl("remove Open_vSwitch . external_ids touched");
  EXPECT_TRUE(bandwidth("CHECK").ok()) << bandwidth("CHECK");
  expect_rates("restarted");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(bandwidth("DEL").ok());
  EXPECT_EQ("", left_in_pod());
  EXPECT_GT(received(), 9.0);
  must_detach("limited", 2);
  must_detach("free", 1);
  EXPECT_EQ(before_, ovs->configuration());
  EXPECT_NODE_UNCHANGED(node_);
}

}  // namespace
}  // namespace barewire::test
