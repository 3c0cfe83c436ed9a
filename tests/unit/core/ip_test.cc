// SPDX-License-Identifier: Apache-2.0
#include "core/ip.h"

#include <gtest/gtest.h>

namespace barewire {
namespace {

TEST(IpAddress, ReadsAndPrintsBothFamilies) {
  EXPECT_EQ(IpAddress::parse("10.1.2.3")->text(), "10.1.2.3");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0::1")->text(), "2001:db8::1");
  EXPECT_TRUE(IpAddress::parse("::ffff:10.0.0.1")->is_v4());
  for (const char* bad : {"", "10.1.2", "10.1.2.256", "10.1.2.3 ", "g::1", "1:2"})
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
}

TEST(IpAddress, CountsUpAndDownAcrossBytes) {
  EXPECT_EQ(IpAddress::parse("10.0.0.255")->next().text(), "10.0.1.0");
  EXPECT_EQ(IpAddress::parse("10.0.1.0")->previous().text(), "10.0.0.255");
  EXPECT_EQ(IpAddress::parse("2001:db8::ffff")->next().text(), "2001:db8::1:0");
}

TEST(IpAddress, SortsIpv4BeforeIpv6AndByNumber) {
  EXPECT_LT(*IpAddress::parse("9.0.0.0"), *IpAddress::parse("10.0.0.0"));
  EXPECT_LT(*IpAddress::parse("255.0.0.0"), *IpAddress::parse("::1"));
}

TEST(IpPrefix, KnowsItsNetworkItsEndAndItsMembers) {
  const auto prefix = *IpPrefix::parse("10.1.2.3/22");
  EXPECT_EQ(prefix.text(), "10.1.2.3/22");
  EXPECT_EQ(prefix.network().text(), "10.1.0.0/22");
  EXPECT_EQ(prefix.last().text(), "10.1.3.255");
  EXPECT_TRUE(prefix.contains(*IpAddress::parse("10.1.3.9")));
  EXPECT_FALSE(prefix.contains(*IpAddress::parse("10.1.4.0")));
  EXPECT_FALSE(prefix.contains(*IpAddress::parse("::1")));
  EXPECT_EQ(IpPrefix::parse("2001:db8::7/64")->last().text(), "2001:db8::ffff:ffff:ffff:ffff");
  EXPECT_TRUE(prefix.overlaps(*IpPrefix::parse("10.0.0.0/8")));
  EXPECT_FALSE(prefix.overlaps(*IpPrefix::parse("10.1.8.0/24")));
}

TEST(IpPrefix, RefusesWhatIsNoPrefix) {
  for (const char* bad : {"10.0.0.1", "10.0.0.1/33", "::1/129", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/8x", "/8"})
    EXPECT_FALSE(IpPrefix::parse(bad)) << bad;
}

TEST(MacAddress, ReadsTheThreeNotations) {
  for (const char* text : {"0A:58:0a:01:02:03", "0a-58-0a-01-02-03", "0a58.0a01.0203"})
    EXPECT_EQ(MacAddress::parse(text).value_or(MacAddress()).text(), "0a:58:0a:01:02:03") << text;
  for (const char* bad :
       {"", "0a:58:0a:01:02", "0a:58:0a:01:02:0g", "0a:58-0a:01:02:03", "0a58.0a01:0203", "0a580a010203"})
    EXPECT_FALSE(MacAddress::parse(bad)) << bad;
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
  EXPECT_TRUE(MacAddress().is_zero());
}

TEST(IpAddress, WritesIpv4CompatibleAddressesAsGoDoes) {
  EXPECT_EQ(IpAddress::parse("::10.0.0.1")->text(), "::a00:1");
  EXPECT_EQ(IpAddress::parse("::1:0")->text(), "::1:0");
  EXPECT_EQ(IpAddress::parse("::1")->text(), "::1");
}

}  // namespace
}  // namespace barewire
