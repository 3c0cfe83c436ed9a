// SPDX-License-Identifier: Apache-2.0
/// CHECK, `barewire check` and `barewire repair` right after ADD of chains in which a later plugin changes what an
/// earlier one made, and of values that the kernel makes others of: there is nothing to complain of.
#include "tests/plugin/standard/standard_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class AfterAdd : public StandardTest {
 protected:
  void SetUp() override {
    StandardTest::SetUp();
    if (IsSkipped()) return;
    runner_.install("static", built_program("barewire-cni"));
    runner_.check_after_add();
    must_run("ip link add m0 type veth peer name m1 && ip link set m0 up && ip link set m1 up");
  }

  /// Runs the chain; each element is a plugin's own keys, its type first.
  void add(const std::vector<std::string>& plugins) {
    std::string previous;
    for (const std::string& keys : plugins) {
      const std::string config = fmt::format(R"({{"cniVersion":"1.1.0","name":"mynet",{}{}}})", keys, previous);
      const std::string type = keys.substr(8, keys.find('"', 8) - 8);
      const PluginResult added = runner_.add(type, config);
      ASSERT_TRUE(added.ok()) << config << "\n" << added;
      previous = ",\"prevResult\":" + boost::json::serialize(added.json);
    }
    expect_content();
  }
  void expect_content() const {
    const CommandResult checked = barewire("check");
    EXPECT_TRUE(checked.ok()) << checked.out << checked.err;
    const CommandResult repaired = barewire("repair");
    EXPECT_THAT(repaired.out, HasSubstr("Nothing has drifted")) << repaired.err;
  }
  CommandResult barewire(const std::string& verb) const {
    return run_shell(fmt::format("CNI_PATH={} {} {}", runner_.cni_path(), built_program("barewire"), verb));
  }
};

constexpr const char* kBridge =
    R"("type":"bridge","bridge":"br0","isDefaultGateway":true,"ipam":{"type":"host-local","subnet":"10.1.2.0/24"})";

TEST_F(AfterAdd, RoutesInTheTableOfALaterSbrAreThere) {
  add({kBridge, R"("type":"sbr")"});
}

TEST_F(AfterAdd, RoutesOfAPtpInTheTableOfALaterSbrAreThere) {
  add({R"("type":"ptp","ipam":{"type":"host-local","subnet":"10.1.2.0/24","routes":[{"dst":"0.0.0.0/0"}]})",
       R"("type":"sbr")"});
}

TEST_F(AfterAdd, RoutesOfAMacvlanInALaterVrfAreThere) {
  if (!run_in("", "ip link add probe type vrf table 77 && ip link del probe").ok())
    GTEST_SKIP() << "this kernel has no VRFs";
  add({R"("type":"macvlan","master":"m0","ipam":{"type":"host-local","subnet":"10.1.2.0/24","routes":[{"dst":"0.0.0.0/0"}]})",
       R"("type":"vrf","vrfname":"blue")"});
}

TEST_F(AfterAdd, WhatTuningChangedIsAsItShouldBe) {
  add({kBridge, R"("type":"tuning","mac":"02:00:00:00:00:77","mtu":1400,"promisc":true,"txQLen":77)"});
  EXPECT_THAT(must_run_in(pod_, "ip link show eth0"), HasSubstr("02:00:00:00:00:77"));
}

TEST_F(AfterAdd, SysctlsMayBeWrittenOtherwiseThanTheKernelDoes) {
  add({kBridge,
       R"("type":"tuning","sysctl":{"net.ipv4.tcp_rmem":"4096   87380  6291456","net.ipv4.conf.IFNAME.arp_filter":"0x1","net.ipv4.ip_local_reserved_ports":"8082,8080,8081"})"});
}

TEST_F(AfterAdd, OnLinkRoutesAreThere) {
  add({R"("type":"macvlan","master":"m0","ipam":{"type":"static","addresses":[{"address":"10.5.0.2/24","gateway":"10.5.0.1"}],"routes":[{"dst":"169.254.169.254/32","gw":"0.0.0.0"},{"dst":"0.0.0.0/0"}]})"});
  EXPECT_THAT(must_run_in(pod_, "ip route"), HasSubstr("169.254.169.254 dev eth0 scope link"));
}

TEST_F(AfterAdd, AGatewayOfZerosIsNoneOfABridge) {
  add({R"("type":"bridge","bridge":"br0","isGateway":true,"ipam":{"type":"static","addresses":[{"address":"10.4.5.6/16","gateway":"0.0.0.0"}],"routes":[{"dst":"192.168.0.0/16"}]})"});
  EXPECT_THAT(must_run_in(pod_, "ip route"), HasSubstr("192.168.0.0/16 dev eth0 scope link"));
}

TEST_F(AfterAdd, AMacvlanOnAMacvlanStandsBesideIt) {
  must_run("ip link add mv0 link m0 type macvlan mode bridge && ip link set mv0 up");
  add({R"("type":"macvlan","master":"mv0")"});
}

TEST_F(AfterAdd, ARateMayHaveTheBurstThatContainerdGives) {
  std::string keys = R"("type":"bandwidth","ingressRate":10000000,"ingressBurst":4294967295)";
  if (run_in("", "ip link add probe type ifb && ip link del probe").ok())
    keys += R"(,"egressRate":10000000,"egressBurst":4294967295)";
  add({kBridge, keys});
}

}  // namespace
}  // namespace barewire::test
