// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/address.h"

#include <gmock/gmock.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "tests/plugin/core/kernel/test_links.h"

namespace barewire::kernel {
namespace {

using test::must_run;
using ::testing::HasSubstr;

IpPrefix prefix(const char* text) {
  return IpPrefix::parse(text).value();
}
IpAddress address(const char* text) {
  return IpAddress::parse(text).value();
}

class Addresses : public test::PairTest {
 protected:
  void SetUp() override {
    PairTest::SetUp();
    if (IsSkipped()) return;
    must_run("sysctl -qw net.ipv6.conf.all.accept_dad=0; ip link set left up; ip link set right up");
    socket_.emplace();
    left_ = get_link(*socket_, "left").index;
    right_ = get_link(*socket_, "right").index;
  }

  std::vector<std::string> addresses_of(int index) {
    std::vector<std::string> texts;
    for (const AddressInfo& info : list_addresses(*socket_, index))
      if (!info.prefix.address.is_link_local()) texts.push_back(info.prefix.text());
    return texts;
  }

  std::optional<NlSocket> socket_;
  int left_ = 0;
  int right_ = 0;
};
using Routes = Addresses;
using Rules = Addresses;

TEST_F(Addresses, AreAddedListedAndRemovedOnce) {
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  add_address(*socket_, left_, prefix("fd00::5/64"), IFA_F_NODAD);
  add_address(*socket_, right_, prefix("10.9.9.9/32"));
  EXPECT_THAT(addresses_of(left_), ::testing::UnorderedElementsAre("10.1.2.3/24", "fd00::5/64"));
  EXPECT_EQ(1U, addresses_of(right_).size());
  EXPECT_THAT(addresses_of(0), ::testing::IsSupersetOf({"10.1.2.3/24", "fd00::5/64", "10.9.9.9/32", "127.0.0.1/8"}));
  EXPECT_THAT(must_run("ip -o addr show left"), HasSubstr("inet 10.1.2.3/24 brd 10.1.2.255 scope global left"));
  EXPECT_TRUE(remove_address(*socket_, left_, prefix("10.1.2.3/24")));
  EXPECT_FALSE(remove_address(*socket_, left_, prefix("10.1.2.3/24")));
  EXPECT_TRUE(remove_address(*socket_, left_, prefix("fd00::5/64")));
  EXPECT_FALSE(remove_address(*socket_, left_, prefix("fd00::5/64")));
  EXPECT_FALSE(remove_address(*socket_, 4242, prefix("10.1.2.3/24")));
  EXPECT_TRUE(addresses_of(left_).empty());
}

TEST_F(Addresses, KeepFlagsAndScope) {
  add_address(*socket_, left_, prefix("fd00::5/64"), IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
  add_address(*socket_, left_, prefix("169.254.1.1/32"), 0, RT_SCOPE_LINK);
  for (const AddressInfo& info : list_addresses(*socket_, left_)) {
    const bool ours = info.prefix == prefix("fd00::5/64");
    EXPECT_EQ(ours, (info.flags & IFA_F_NOPREFIXROUTE) != 0) << info.prefix.text();
    EXPECT_EQ(ours ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK, info.scope) << info.prefix.text();
  }
  EXPECT_EQ(0U, list_addresses(*socket_, left_, AF_INET6).size() % 2);  // ours and the link-local one
}

TEST_F(Addresses, AddedTwiceAreAnErrorThatNamesThem) {
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  try {
    add_address(*socket_, left_, prefix("10.1.2.3/24"));
    FAIL();
  } catch (const KernelError& error) {
    EXPECT_EQ(EEXIST, error.err());
    EXPECT_THAT(error.what(), HasSubstr("adding address 10.1.2.3/24 to left failed"));
  }
}

TEST_F(Addresses, OfIpv6WhereItIsSwitchedOffAreAnErrorThatNamesTheSetting) {
  must_run("echo 1 >/proc/sys/net/ipv6/conf/left/disable_ipv6");
  try {
    add_address(*socket_, left_, prefix("2001:db8::1/64"));
    FAIL();
  } catch (const KernelError& error) {
    EXPECT_EQ(EACCES, error.err());
    EXPECT_THAT(error.what(), HasSubstr("adding address 2001:db8::1/64 to left failed"));
    EXPECT_THAT(error.hint(), HasSubstr("net.ipv6.conf.left.disable_ipv6=0"));
  }
}

TEST_F(Addresses, OfALinkThatIsGoneAreNone) {
  EXPECT_TRUE(list_addresses(*socket_, 4242).empty());
}

TEST_F(Routes, KeepTheirMtuAdvmssPriorityScopeAndSource) {
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  RouteInfo route;
  route.destination = prefix("192.168.0.0/16");
  route.gateway = address("10.1.2.1");
  route.index = left_;
  route.source = address("10.1.2.3");
  route.priority = 77;
  route.mtu = 1300;
  route.advmss = 1200;
  add_route(*socket_, route);
  EXPECT_THAT(must_run("ip route show 192.168.0.0/16"),
              HasSubstr("via 10.1.2.1 dev left src 10.1.2.3 metric 77 mtu 1300 advmss 1200"));
  bool found = false;
  for (const RouteInfo& listed : list_routes(*socket_, left_)) {
    if (listed.destination != route.destination) continue;
    found = true;
    EXPECT_EQ(route.gateway, listed.gateway);
    EXPECT_EQ(left_, listed.index);
    EXPECT_EQ(route.source, listed.source);
    EXPECT_EQ(77U, listed.priority);
    EXPECT_EQ(1300U, listed.mtu);
    EXPECT_EQ(1200U, listed.advmss);
    EXPECT_EQ(254U, listed.table);
    EXPECT_EQ(RT_SCOPE_UNIVERSE, listed.scope);
    EXPECT_EQ(RTPROT_BOOT, listed.protocol);
  }
  EXPECT_TRUE(found);
  EXPECT_TRUE(remove_route(*socket_, route));
  EXPECT_FALSE(remove_route(*socket_, route));
}

TEST_F(Routes, WithoutGatewayAreOfLinkScope) {
  add_route(*socket_, {.destination = prefix("192.168.7.0/24"), .index = left_});
  EXPECT_THAT(must_run("ip route show 192.168.7.0/24"), HasSubstr("dev left scope link"));
}

TEST_F(Routes, KeepAnExplicitScope) {
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  add_route(*socket_,
            {.destination = prefix("192.168.8.0/24"), .index = left_, .scope = std::uint8_t{RT_SCOPE_UNIVERSE}});
  EXPECT_THAT(must_run("ip -d route show 192.168.8.0/24"), HasSubstr("scope global"));
}

TEST_F(Routes, LiveInTablesOfAnyNumber) {
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  for (const std::uint32_t table : {100U, 70000U}) {
    RouteInfo route{.destination = prefix("0.0.0.0/0"), .gateway = address("10.1.2.1"), .index = left_, .table = table};
    add_route(*socket_, route);
    const auto listed = list_routes(*socket_, 0, table);
    ASSERT_EQ(1U, listed.size());
    EXPECT_TRUE(listed[0].destination.is_default());
    EXPECT_EQ(table, listed[0].table);
    EXPECT_TRUE(list_routes(*socket_, right_, table).empty());
    EXPECT_TRUE(remove_route(*socket_, route));
  }
  EXPECT_TRUE(list_routes(*socket_, 0, 4711).empty());
}

TEST_F(Routes, OfIpv6WorkLikewise) {
  add_address(*socket_, left_, prefix("fd00::5/64"), IFA_F_NODAD);
  RouteInfo route{.destination = prefix("::/0"), .gateway = address("fd00::1"), .index = left_};
  route.mtu = 1350;
  add_route(*socket_, route);
  EXPECT_THAT(must_run("ip -6 route show default"), HasSubstr("via fd00::1 dev left metric 1024 mtu 1350"));
  const auto listed = list_routes(*socket_, left_, 254, AF_INET6);
  const auto found =
      std::find_if(listed.begin(), listed.end(), [](auto& each) { return each.destination.is_default(); });
  ASSERT_NE(listed.end(), found);
  EXPECT_EQ(address("fd00::1"), *found->gateway);
  EXPECT_TRUE(remove_route(*socket_, route));
  EXPECT_FALSE(remove_route(*socket_, route));
}

TEST_F(Routes, GoThroughAGatewayThatNoPrefixCoversWhenOnLink) {
  RouteInfo route{.destination = prefix("192.168.9.0/24"), .gateway = address("172.31.0.1"), .index = left_};
  EXPECT_THROW(add_route(*socket_, route), KernelError);
  route.onlink = true;
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  add_route(*socket_, route);
  EXPECT_THAT(must_run("ip route show 192.168.9.0/24"), HasSubstr("via 172.31.0.1 dev left onlink"));
}

TEST_F(Routes, OfIpv4GoThroughAnIpv6Gateway) {
  add_address(*socket_, left_, prefix("fd00::5/64"), IFA_F_NODAD);
  RouteInfo route{.destination = prefix("192.168.9.0/24"), .gateway = address("fd00::1"), .index = left_};
  add_route(*socket_, route);
  const auto listed = list_routes(*socket_, left_, 254, AF_INET);
  ASSERT_EQ(1U, listed.size());
  EXPECT_EQ(address("fd00::1"), *listed[0].gateway);
}

TEST_F(Routes, AddedTwiceAreAnErrorUnlessAskedForBeside) {
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  const RouteInfo route{.destination = prefix("192.168.0.0/16"), .gateway = address("10.1.2.1"), .index = left_};
  add_route(*socket_, route);
  EXPECT_THROW(add_route(*socket_, route), KernelError);
  add_route(*socket_, route, IfExists::beside);
  add_route(*socket_, route, IfExists::restore);
  EXPECT_EQ("192.168.0.0/16 via 10.1.2.1 dev left \n", must_run("ip route show 192.168.0.0/16"));
}

TEST_F(Routes, OfAnotherInterfaceStayAndGoFirst) {
  const auto both = [&](const char* destination, const char* gateway, int index) {
    return RouteInfo{.destination = prefix(destination), .gateway = address(gateway), .index = index};
  };
  must_run(
      "ip addr add 10.1.2.3/24 dev left; ip addr add 10.1.3.3/24 dev right;"
      "ip addr add fd00::5/64 dev left nodad; ip addr add fd01::5/64 dev right nodad");
  add_route(*socket_, both("0.0.0.0/0", "10.1.2.1", left_));
  add_route(*socket_, both("::/0", "fd00::1", left_));
  // The other end's state follows its peer's a little later, and is no part of the route.
  const auto defaults = [] {
    return must_run("(ip route show default; ip -6 route show default) | sed 's/linkdown //'");
  };
  const std::string before = defaults();
  for (int twice = 0; twice < 2; ++twice) {
    add_route(*socket_, both("0.0.0.0/0", "10.1.3.1", right_), IfExists::beside);
    add_route(*socket_, both("::/0", "fd01::1", right_), IfExists::beside);
  }
  EXPECT_EQ("default via 10.1.2.1 dev left \ndefault via 10.1.3.1 dev right metric 1 \n",
            must_run("ip route show default | sed 's/linkdown //'"));
  EXPECT_THAT(must_run("ip -6 route show default"), HasSubstr("via fd01::1 dev right metric 1025"));
  must_run("ip link set right down");
  EXPECT_EQ(before, defaults());
}

TEST_F(Routes, WithAMetricOfTheirOwnKeepIt) {
  must_run(
      "ip addr add 10.1.2.3/24 dev left; ip addr add 10.1.3.3/24 dev right; ip route add default via 10.1.2.1 metric "
      "7");
  RouteInfo route{.destination = prefix("0.0.0.0/0"), .gateway = address("10.1.3.1"), .index = right_, .priority = 7};
  add_route(*socket_, route, IfExists::beside);
  EXPECT_EQ("default via 10.1.2.1 dev left metric 7 \ndefault via 10.1.3.1 dev right metric 7 \n",
            must_run("ip route show default"));
  EXPECT_TRUE(remove_route(*socket_, route));
  add_route(*socket_, route, IfExists::restore);
  EXPECT_THAT(must_run("ip route show default"), ::testing::StartsWith("default via 10.1.2.1"));
}

TEST_F(Routes, WithSeveralNextHopsAreListedOneByOne) {
  must_run(
      "ip addr add 10.1.2.3/24 dev left; ip addr add 10.1.3.3/24 dev right;"
      "ip route add 192.168.0.0/16 nexthop via 10.1.2.1 nexthop via 10.1.3.1");
  std::vector<std::string> gateways;
  for (const RouteInfo& route : list_routes(*socket_, 0, 254, AF_INET))
    if (route.gateway) gateways.push_back(route.gateway->text());
  EXPECT_THAT(gateways, ::testing::ElementsAre("10.1.2.1", "10.1.3.1"));
}

TEST_F(Rules, AreAddedListedAndRemovedOnce) {
  const RuleInfo rule{.source = prefix("10.1.2.3/32"), .table = 1234, .priority = 500};
  add_rule(*socket_, rule);
  add_rule(*socket_, {.family = AF_INET6, .table = 99, .priority = 600});
  EXPECT_THAT(must_run("ip rule"), HasSubstr("500:\tfrom 10.1.2.3 lookup 1234"));
  EXPECT_THAT(must_run("ip -6 rule"), HasSubstr("600:\tfrom all lookup 99"));
  const auto listed = list_rules(*socket_, AF_INET);
  const auto found = std::find_if(listed.begin(), listed.end(), [](auto& each) { return each.table == 1234; });
  ASSERT_NE(listed.end(), found);
  EXPECT_EQ(rule.source, found->source);
  EXPECT_EQ(500U, found->priority);
  EXPECT_THROW(add_rule(*socket_, rule), KernelError);
  EXPECT_TRUE(remove_rule(*socket_, rule));
  EXPECT_FALSE(remove_rule(*socket_, rule));
}

TEST_F(Addresses, NeighboursArePermanentAndReplaced) {
  add_address(*socket_, left_, prefix("10.1.2.3/24"));
  set_neighbour(*socket_, left_, address("10.1.2.1"), *MacAddress::parse("02:00:00:00:00:07"));
  set_neighbour(*socket_, left_, address("10.1.2.1"), *MacAddress::parse("02:00:00:00:00:08"));
  set_neighbour(*socket_, left_, address("fd00::1"), *MacAddress::parse("02:00:00:00:00:09"));
  EXPECT_THAT(must_run("ip neigh show dev left"), HasSubstr("10.1.2.1 lladdr 02:00:00:00:00:08 PERMANENT"));
  EXPECT_THAT(must_run("ip neigh show dev left"), HasSubstr("fd00::1 lladdr 02:00:00:00:00:09 PERMANENT"));
}

}  // namespace
}  // namespace barewire::kernel
