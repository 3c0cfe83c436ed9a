// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "tests/unit/ipam/dhcp/dhcp_messages.h"

namespace barewire::test {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Message ack() {
  return answer_to(Message{}, MessageType::ack);
}

std::string result_of(const Message& message, const Config& config = {}) {
  return boost::json::serialize(Terms::from_ack(message).result(config).to_json(cni::kLatestVersion));
}

TEST(DhcpTerms, AreTheAddressAloneWithoutARouter) {
  EXPECT_EQ(result_of(ack()), R"({"cniVersion":"1.1.0","ips":[{"address":"10.0.0.9/24"}]})");
}

TEST(DhcpTerms, MakeTheFirstRouterTheGatewayAndTheDefaultRoute) {
  Message message = ack();
  message.options[kRouters] = {10, 0, 0, 1, 10, 0, 0, 2};
  EXPECT_EQ(result_of(message), R"({"cniVersion":"1.1.0","ips":[{"address":"10.0.0.9/24","gateway":"10.0.0.1"}],)"
                                R"("routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]})");
  EXPECT_THAT(result_of(message, {.provided = {}, .requested = {}, .priority = 50, .with_gateway = true}),
              HasSubstr(R"({"dst":"0.0.0.0/0","gw":"10.0.0.1","priority":50})"));
  EXPECT_EQ(result_of(message, {.provided = {}, .requested = {}, .priority = {}, .with_gateway = false}),
            R"({"cniVersion":"1.1.0","ips":[{"address":"10.0.0.9/24"}]})");
}

TEST(DhcpTerms, ReadStaticRoutesByTheClassOfTheirAddress) {
  Message message = ack();
  message.options[kStaticRoutes] = {10, 1, 2, 3,   10,  0, 0, 3,  172, 16, 0, 0, 10,
                                    0,  0, 4, 192, 168, 7, 0, 10, 0,   0,  5, 9};
  const Terms terms = Terms::from_ack(message);
  ASSERT_EQ(terms.routes.size(), 3U);
  EXPECT_EQ(terms.routes[0].destination.text(), "10.0.0.0/8");
  EXPECT_EQ(terms.routes[1].destination.text(), "172.16.0.0/16");
  EXPECT_EQ(terms.routes[2].destination.text(), "192.168.7.0/24");
  EXPECT_EQ(terms.routes[2].gateway, v4("10.0.0.5"));
}

TEST(DhcpTerms, PreferClasslessRoutesToTheRouter) {
  Message message = ack();
  message.options[kRouters] = {10, 0, 0, 1};
  message.options[kStaticRoutes] = {10, 1, 2, 3, 10, 0, 0, 3};
  message.options[kClasslessRoutes] = {0, 10, 0, 0, 2, 24, 192, 168, 9, 10, 0, 0, 3, 16, 172, 20, 0, 0, 0, 0};
  EXPECT_EQ(result_of(message),
            R"({"cniVersion":"1.1.0","ips":[{"address":"10.0.0.9/24","gateway":"10.0.0.1"}],"routes":[)"
            R"({"dst":"0.0.0.0/0","gw":"10.0.0.2"},{"dst":"192.168.9.0/24","gw":"10.0.0.3"},)"
            R"({"dst":"172.20.0.0/16","gw":"0.0.0.0"}]})");
  for (std::size_t size = 1; size < 20; ++size) {  // cut anywhere: what is whole counts
    message.options[kClasslessRoutes].resize(size);
    EXPECT_NO_THROW(Terms::from_ack(message));
  }
  message.options[kClasslessRoutes] = {33, 1, 2, 3, 4, 5, 10, 0, 0, 1};
  EXPECT_EQ(Terms::from_ack(message).routes.size(), 2U) << "nonsense: the other routes count";
}

TEST(DhcpTerms, ReadDnsWithCompressedSearchNames) {
  Message message = ack();
  message.options[kNameServers] = {10, 0, 0, 53, 10, 0, 0, 54};
  message.options[kDomainName] = {'a', '.', 'b', 0};
  message.options[kDomainSearch] = {3, 'e', 'n', 'g', 2, 'e', 'x', 0, 5, 's', 'a', 'l', 'e', 's', 0xc0, 4};
  const cni::Dns dns = Terms::from_ack(message).dns;
  EXPECT_THAT(dns.nameservers, ElementsAre("10.0.0.53", "10.0.0.54"));
  EXPECT_EQ(dns.domain, "a.b");
  EXPECT_THAT(dns.search, ElementsAre("eng.ex", "sales.ex"));
  message.options[kDomainSearch] = {1, 'a', 0xc0, 0};
  EXPECT_TRUE(Terms::from_ack(message).dns.search.empty()) << "a loop";
  message.options[kDomainName] = {'a', '\n', 'b'};
  EXPECT_EQ(Terms::from_ack(message).dns.domain, "") << "must not write lines into resolv.conf";
}

TEST(DhcpTerms, TakeTheTimesOfTheServerOrTheUsualParts) {
  const Terms usual = Terms::from_ack(ack());
  EXPECT_EQ(usual.lease, seconds(100));
  EXPECT_EQ(usual.renewal, seconds(50));
  EXPECT_EQ(usual.rebinding, seconds(85));
  Message message = ack();
  message.options[kRenewalTime] = be32(20);
  message.options[kRebindingTime] = be32(40);
  EXPECT_EQ(Terms::from_ack(message).renewal, seconds(20));
  EXPECT_EQ(Terms::from_ack(message).rebinding, seconds(40));
  message.options[kRebindingTime] = be32(400);
  message.options[kRenewalTime] = be32(300);
  EXPECT_EQ(Terms::from_ack(message).rebinding, seconds(85)) << "after the lease: not to be believed";
  EXPECT_EQ(Terms::from_ack(message).renewal, seconds(50));
  EXPECT_FALSE(Terms::from_ack(answer_to(Message{}, MessageType::ack, 0xffffffff)).lease) << "without end";
  EXPECT_GE(Terms::from_ack(answer_to(Message{}, MessageType::ack, 0)).renewal, seconds(1));
}

TEST(DhcpTerms, AreRefusedWhereTheAnswerCannotBeUsed) {
  const auto error_of = [](const Message& message) -> std::string {
    try {
      Terms::from_ack(message);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  Message message = ack();
  message.options.erase(kSubnetMask);
  EXPECT_THAT(error_of(message), HasSubstr("subnet mask"));
  message = ack();
  message.options[kSubnetMask] = {255, 0, 255, 0};
  EXPECT_THAT(error_of(message), HasSubstr("ff00ff00"));
  message = ack();
  message.options.erase(kServerIdentifier);
  EXPECT_THAT(error_of(message), HasSubstr("server identifier"));
  message = ack();
  message.yours = IpAddress();
  EXPECT_THAT(error_of(message), HasSubstr("0.0.0.0"));
}

TEST(DhcpTerms, SurviveTheRecord) {
  Message message = ack();
  message.options[kRouters] = {10, 0, 0, 1};
  message.options[kClasslessRoutes] = {16, 172, 20, 0, 0, 0, 0};
  message.options[kNameServers] = {10, 0, 0, 53};
  const Terms terms = Terms::from_ack(message);
  const boost::json::value document = terms.to_json();
  EXPECT_EQ(Terms::from_json(JsonView(document)).to_json(), terms.to_json());
}

}  // namespace
}  // namespace barewire::test
