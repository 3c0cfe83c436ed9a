// SPDX-License-Identifier: Apache-2.0
#include "ipam/host_local/range.h"

#include <gmock/gmock.h>

#include <chrono>

namespace barewire::ipam::host_local {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

Range range(std::string_view subnet, std::string_view start, std::string_view end, std::string_view gateway) {
  return {IpPrefix::parse(subnet).value(), ip(start), ip(end), ip(gateway)};
}

const RangeSet kSmall = {range("10.0.0.0/29", "10.0.0.1", "10.0.0.6", "10.0.0.1")};
const RangeSet kTwo = {range("10.0.0.0/30", "10.0.0.1", "10.0.0.2", "10.0.0.1"),
                       range("10.0.9.0/30", "10.0.9.1", "10.0.9.2", "10.0.9.1")};
const RangeSet kWhole6 = {
    range("2001:db8::/32", "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::1")};

std::vector<std::string> rest(Candidates candidates) {
  std::vector<std::string> texts;
  while (const auto address = candidates.next()) texts.push_back(address->text());
  return texts;
}

TEST(Candidates, BeginAtTheStartAndNeverHandOutTheGateway) {
  EXPECT_THAT(rest(Candidates(kSmall, std::nullopt)),
              ElementsAre("10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"));
}

TEST(Candidates, GoOnAfterTheLastOneAndEndWithItself) {
  EXPECT_THAT(rest(Candidates(kSmall, ip("10.0.0.4"))),
              ElementsAre("10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3", "10.0.0.4"));
}

TEST(Candidates, WrapWhenTheLastOneWasTheEnd) {
  EXPECT_THAT(rest(Candidates(kSmall, ip("10.0.0.6"))),
              ElementsAre("10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"));
}

TEST(Candidates, GoThroughEveryRangeOfTheSet) {
  EXPECT_THAT(rest(Candidates(kTwo, std::nullopt)), ElementsAre("10.0.0.2", "10.0.9.2"));
  EXPECT_THAT(rest(Candidates(kTwo, ip("10.0.9.1"))), ElementsAre("10.0.9.2", "10.0.0.2"));
  EXPECT_THAT(rest(Candidates(kTwo, ip("10.0.9.2"))), ElementsAre("10.0.0.2", "10.0.9.2"));
}

TEST(Candidates, IgnoreALastOneOfAnotherRangeOrFamily) {
  EXPECT_EQ(Candidates(kSmall, ip("172.16.0.1")).next(), ip("10.0.0.2"));
  EXPECT_EQ(Candidates(kSmall, ip("2001:db8::1")).next(), ip("10.0.0.2"));
}

TEST(Candidates, HandOutAGatewayOutsideTheRangeToNoOneEither) {
  const RangeSet set = {range("10.0.0.0/29", "10.0.0.2", "10.0.0.3", "10.9.9.9")};
  EXPECT_THAT(rest(Candidates(set, std::nullopt)), ElementsAre("10.0.0.2", "10.0.0.3"));
}

TEST(Candidates, EndAtTheLastAddressOfTheFamily) {
  const RangeSet v4 = {range("255.255.255.252/30", "255.255.255.253", "255.255.255.255", "255.255.255.253")};
  EXPECT_THAT(rest(Candidates(v4, std::nullopt)), ElementsAre("255.255.255.254", "255.255.255.255"));
}

TEST(NextFree, PassesOverWhatIsReservedAndTheGateway) {
  Candidates candidates(kSmall, ip("10.0.0.5"));
  EXPECT_EQ(candidates.next_free({ip("10.0.0.6"), ip("10.0.0.2"), ip("172.16.0.1"), ip("::1")}), ip("10.0.0.3"));
  EXPECT_EQ(candidates.next_free({ip("10.0.0.4")}), ip("10.0.0.5")) << "goes on after the one it gave";
  EXPECT_EQ(candidates.next_free({}), std::nullopt);
}

TEST(NextFree, GoesOnFromWhereTryingOneByOneStopped) {
  Candidates candidates(kSmall, std::nullopt);
  candidates.next();
  candidates.next();
  EXPECT_EQ(candidates.next_free({ip("10.0.0.4")}), ip("10.0.0.5"));
}

TEST(NextFree, FindsNothingInAFullSet) {
  std::vector<IpAddress> reserved;
  for (Candidates all(kTwo, std::nullopt); const auto address = all.next();) reserved.push_back(*address);
  EXPECT_EQ(Candidates(kTwo, ip("10.0.0.2")).next_free(reserved), std::nullopt);
}

TEST(NextFree, AgreesWithTryingOneByOneForEveryStart) {
  const std::vector<IpAddress> reserved = {ip("10.0.0.3"), ip("10.0.0.4"), ip("10.0.0.6")};
  for (Candidates starts(kSmall, std::nullopt); const auto start = starts.next();) {
    Candidates one_by_one(kSmall, start);
    auto expected = one_by_one.next();
    while (std::find(reserved.begin(), reserved.end(), *expected) != reserved.end()) expected = one_by_one.next();
    EXPECT_EQ(Candidates(kSmall, start).next_free(reserved), expected) << start->text();
  }
}

TEST(NextFree, NeedsNoMemoryForTheSizeOfAnIpv6Range) {
  std::vector<IpAddress> reserved;
  IpAddress next = ip("2001:db8::2");
  for (int i = 0; i < 10'000; ++i, next = next.next()) reserved.push_back(next);
  EXPECT_EQ(Candidates(kWhole6, std::nullopt).next_free(reserved), next);
}

TEST(CountFree, LeavesOutGatewayAndReserved) {
  EXPECT_EQ(count_free(kSmall, {}, 100), 5U);
  EXPECT_EQ(count_free(kSmall, {ip("10.0.0.2"), ip("10.0.0.1"), ip("10.0.1.2")}, 100), 4U);
  EXPECT_EQ(count_free(kTwo, {ip("10.0.0.2")}, 100), 1U);
  EXPECT_EQ(count_free(kTwo, {ip("10.0.0.2"), ip("10.0.9.2")}, 100), 0U);
  EXPECT_EQ(count_free(kWhole6, {}, 7), 7U) << "cut";
}

TEST(CountFree, DoesNotOverflowForAllOfIpv6) {
  const RangeSet all = {range("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1")};
  EXPECT_EQ(count_free(all, {}, 5), 5U);
}

TEST(Ranges, OverlapWhenTheyShareAnAddress) {
  EXPECT_TRUE(overlap(kSmall, {range("10.0.0.0/24", "10.0.0.6", "10.0.0.9", "10.0.0.1")}));
  EXPECT_FALSE(overlap(kSmall, {range("10.0.0.0/24", "10.0.0.7", "10.0.0.9", "10.0.0.1")}));
  EXPECT_FALSE(overlap(kSmall, kWhole6));
  EXPECT_EQ(text_of(kTwo), "10.0.0.1-10.0.0.2, 10.0.9.1-10.0.9.2");
}

}  // namespace
}  // namespace barewire::ipam::host_local
