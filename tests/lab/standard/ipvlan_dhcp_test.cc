// SPDX-License-Identifier: Apache-2.0
/// Addresses by DHCP for ipvlan pods, which all have their master's MAC address: a server and an answer's way can tell
/// them apart by the client identifier and by broadcasts alone.
#include "tests/plugin/ipam/dhcp/dhcp_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

class IpvlanDhcp : public DhcpTest {
 protected:
  static std::string mac_of(const PluginResult& result) {
    return std::string(result.json.at("interfaces").as_array().at(0).at("mac").as_string());
  }
  static std::string host_of(const PluginResult& result) {
    const std::string address = address_of(result);
    return address.substr(0, address.find('/'));
  }
  static bool reaches(const std::string& netns, const std::string& address) {
    return run_in(netns, "ping -c1 -w20 -n " + address).ok();
  }
};

TEST_F(IpvlanDhcp, TwoPodsOfOneMasterHaveLeasesOfTheirOwnRenewedAndReleasedEachByItself) {
  start_server({"--dhcp-option=option:T1,3", "--dhcp-option=option:T2,400"});
  start_daemon();
  const std::string other = make_netns("pod2"), text = config("ipvlan", R"(,"master":"eth0")");
  const auto before = NodeSnapshot::take();
  const PluginResult first = add("ipvlan", text, pod("pod1")), second = add("ipvlan", text, pod("pod2"));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(mac_of(first), mac_of(second));
  EXPECT_NE(address_of(first), address_of(second));
  EXPECT_EQ(std::ranges::count(DhcpServer::leases(), '\n'), 2) << DhcpServer::leases();
  for (const char* identifier : {"00:70:6f:64:31:2f:6d:79:6e:65:74", "00:70:6f:64:32:2f:6d:79:6e:65:74"})
    EXPECT_THAT(DhcpServer::leases(), HasSubstr(identifier)) << "pod1/mynet and pod2/mynet";
  EXPECT_GE(DhcpServer::heard("broadcast response"), 4U) << "two offers and two grants\n" << DhcpServer::log();
  EXPECT_TRUE(reaches(pod_, host_of(second))) << "from pod to pod";
  EXPECT_TRUE(reaches(pod_, "10.77.8.1") && reaches(other, "10.77.8.1")) << "by the gateway that the server named";

  for (const PluginResult* one : {&first, &second})
    EXPECT_TRUE(within(kLong, [&] { return DhcpServer::heard(fmt::format("DHCPACK(eth0) {} ", host_of(*one))) >= 3; }))
        << DhcpServer::log();
  EXPECT_TRUE(runner_.check("ipvlan", with_previous(text, first), pod("pod1")).ok());
  EXPECT_TRUE(runner_.check("ipvlan", with_previous(text, second), pod("pod2")).ok());
  EXPECT_EQ(runner_.check("ipvlan", with_previous(text, second), pod("pod1")).code(), 104) << "the other's address";

  EXPECT_TRUE(runner_.del("ipvlan", text, pod("pod1")).ok());
  EXPECT_TRUE(within(kLong, [] { return DhcpServer::heard("DHCPRELEASE(") == 1; }));
  EXPECT_THAT(DhcpServer::leases(), HasSubstr(host_of(second) + " ")) << "only the first pod's was released";
  EXPECT_TRUE(reaches(other, "10.77.8.1"));
  kill_daemon();
  EXPECT_TRUE(runner_.del("ipvlan", text, pod("pod2")).ok()) << "released without the daemon";
  EXPECT_TRUE(within(kLong, [] { return DhcpServer::heard("DHCPRELEASE(") == 2 && DhcpServer::leases().empty(); }))
      << DhcpServer::log();
  EXPECT_TRUE(records().empty());
  EXPECT_NODE_UNCHANGED(before);
}

}  // namespace
}  // namespace barewire::test
