// SPDX-License-Identifier: Apache-2.0
/// The bytes nftables keys and rules are made of; what they mean to the kernel is shown in tests/plugin.
#include "core/kernel/nft_rule.h"

#include <gtest/gtest.h>

namespace barewire::kernel::nft {
namespace {

using std::string_literals::operator""s;

TEST(NftKey, OfOnePartIsAsLongAsItsType) {
  EXPECT_EQ("\x0a\x16\x00\x02"s, Key().address(*IpAddress::parse("10.22.0.2")).bytes());
  EXPECT_EQ("\x1f\x90"s, Key().port(8080).bytes());
  EXPECT_EQ("\x02\x00\x00\x00\x00\x05"s, Key().mac(*MacAddress::parse("02:00:00:00:00:05")).bytes());
  EXPECT_EQ("eth0"s + std::string(12, '\0'), Key().interface_name("eth0").bytes());
}

TEST(NftKey, OfSeveralPartsPadsEachToARegister) {
  EXPECT_EQ("\x06\x00\x00\x00\x1f\x90\x00\x00"s, Key().protocol(6).port(8080).bytes());
  EXPECT_EQ("\x0a\x16\x00\x02\x00\x50\x00\x00"s, Key().address(*IpAddress::parse("10.22.0.2")).port(80).bytes());
}

TEST(NftKey, CutsANameThatNoInterfaceCanHave) {
  const std::string bytes = Key().interface_name(std::string(40, 'x')).bytes();
  EXPECT_EQ(std::string(15, 'x') + '\0', bytes);
}

TEST(NftTypes, AreNumberedAsTheNftCommandNumbersThem) {
  EXPECT_EQ(7U, type_number({Type::ipv4_addr}));
  EXPECT_EQ((12U << 6U) | 13U, type_number({Type::inet_proto, Type::inet_service}));
  EXPECT_EQ(1U, padded_size({Type::inet_proto}));
  EXPECT_EQ(8U, padded_size({Type::inet_proto, Type::inet_service}));
  EXPECT_EQ(24U, padded_size({Type::ifname, Type::ether_addr}));
}

TEST(NftRule, KnowsWhereItJumpsTo) {
  Rule rule;
  rule.append(Rule().jump("elsewhere"));
  EXPECT_TRUE(rule.jumps_to("elsewhere"));
  EXPECT_FALSE(rule.jumps_to("here"));
}

TEST(NftUserData, CarriesACommentThatFits) {
  EXPECT_EQ("\x00\x05pod1\x00"s, user_data("pod1"));
  EXPECT_EQ(130U, user_data(std::string(300, 'x')).size());
}

}  // namespace
}  // namespace barewire::kernel::nft
