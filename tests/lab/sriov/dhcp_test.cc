// SPDX-License-Identifier: Apache-2.0
/// Addresses by DHCP on a VF: the daemon's packets go through the NIC, whose own switch leads them to another VF.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/lab/sriov/sriov_lab.h"
#include "tests/support/dhcp_server.h"

namespace barewire::test {
namespace {

using Dhcp = SriovLab;

constexpr std::chrono::seconds kLong{60};

TEST_F(Dhcp, LeaseOnAVfIsRenewedAfterTheDaemonsDeathAndReleasedAtDel) {
  must_add(config(1), pod("b"));
  give_address("b", "net1", "10.88.0.1/24");
  const DhcpServer server(netns("b"), "net1", "10.88.0.10", "10.88.0.99",
                          {"--dhcp-option=option:T1,3", "--dhcp-option=option:T2,400"});
  runner_.install("dhcp", built_program("barewire-cni"));
  const Command daemon = command_of(runner_.directory() + "/dhcp", {"daemon"});
  const std::string text = config(0, R"(,"ipam":{"type":"dhcp"})");
  const auto ready = [&] { return runner_.status("dhcp", text).ok(); };
  {
    const ChildProcess first(daemon);
    ASSERT_TRUE(within(kLong, ready));
    const PluginResult added = must_add(text, pod("a"));
    EXPECT_EQ(added.json.at("ips").as_array().at(0).at("gateway").as_string(), "10.88.0.1");
    EXPECT_TRUE(pings("a", "10.88.0.1"));
  }
  const auto granted = DhcpServer::heard("DHCPACK(");
  const ChildProcess second(daemon);
  ASSERT_TRUE(within(kLong, ready));
  EXPECT_TRUE(within(kLong, [&] { return DhcpServer::heard("DHCPACK(") > granted; })) << DhcpServer::log();
  must_del(text, pod("a"));
  EXPECT_TRUE(within(kLong, [] { return DhcpServer::heard("DHCPRELEASE(") == 1; })) << DhcpServer::log();
  EXPECT_TRUE(DhcpServer::leases().empty());
}

}  // namespace
}  // namespace barewire::test
