// SPDX-License-Identifier: Apache-2.0
/// A configuration list with addresses by DHCP, run by cnitool as a user runs it by hand, with the daemon beside it.
#include "tests/plugin/ipam/dhcp/dhcp_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class DhcpByHand : public DhcpTest {
 protected:
  void SetUp() override {
    DhcpTest::SetUp();
    if (IsSkipped()) return;
    for (const char* name : {"bridge", "tuning"}) runner_.install(name, built_program("barewire-cni"));
    must_run("ip link add br0 type bridge && ip link set br0 up && ip link set eth0 master br0");
    write_text(
        configurations_ / "10-mynet.conflist",
        R"({"cniVersion":"1.1.0","name":"mynet","plugins":[{"type":"bridge","bridge":"br0","ipam":{"type":"dhcp"}},{"type":"tuning","mtu":1400}]})");
  }
  CommandResult cnitool(const std::string& verb, const std::string& netns = {}) const {
    Command command = command_of(built_program("cnitool"), {verb, "mynet"});
    if (!netns.empty()) command.arguments.push_back(netns);
    command.environment = {{"NETCONFPATH", configurations_.path()}, {"CNI_PATH", runner_.cni_path()}};
    return run(command);
  }
  TempDir configurations_;
};

TEST_F(DhcpByHand, CnitoolAddsChecksAndDeletesPodsWithLeases) {
  const std::string other = make_netns("pod2");
  const auto before = NodeSnapshot::take();
  EXPECT_THAT(cnitool("status").err, HasSubstr("systemctl start cni-dhcp.socket")) << "there is no daemon yet";
  EXPECT_FALSE(cnitool("add", pod_).ok());
  EXPECT_NODE_UNCHANGED(before);
  start_server();
  start_daemon();
  EXPECT_TRUE(cnitool("status").ok());
  for (const std::string& netns : {pod_, other}) {
    const CommandResult added = cnitool("add", netns);
    ASSERT_TRUE(added.ok()) << added.out << added.err;
    EXPECT_THAT(added.out, HasSubstr(R"("gateway": "10.77.0.1")"));
    EXPECT_THAT(must_run_in(netns, "ip route"), HasSubstr("default via 10.77.0.1 dev eth0"));
    must_run_in(netns, "ping -c1 -w20 -n 10.77.8.1");
  }
  EXPECT_EQ(std::ranges::count(DhcpServer::leases(), '\n'), 2) << DhcpServer::leases();
  for (const std::string& netns : {pod_, other}) EXPECT_TRUE(cnitool("check", netns).ok());

  kill_daemon();
  start_daemon();
  EXPECT_TRUE(cnitool("check", pod_).ok()) << "the next daemon keeps the lease that the result is of";
  must_run_in(pod_, "ip addr flush dev eth0 scope global");
  const CommandResult drifted = cnitool("check", pod_);
  EXPECT_FALSE(drifted.ok());
  EXPECT_THAT(drifted.err, HasSubstr("eth0"));

  EXPECT_TRUE(cnitool("del", pod_).ok());
  EXPECT_TRUE(within(kLong, [] { return DhcpServer::heard("DHCPRELEASE(") == 1; })) << DhcpServer::log();
  must_run_in(other, "ping -c1 -w20 -n 10.77.8.1");
  EXPECT_TRUE(cnitool("del", other).ok());
  EXPECT_TRUE(within(kLong, [] { return DhcpServer::leases().empty(); })) << DhcpServer::leases();
  EXPECT_TRUE(cnitool("del", other).ok()) << "twice";
  EXPECT_TRUE(records().empty());
  EXPECT_NODE_UNCHANGED(before);
}

}  // namespace
}  // namespace barewire::test
