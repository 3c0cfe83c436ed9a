// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/vf/inventory.h"

namespace barewire::vf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(VfRange, OfAPfAloneHoldsEveryVf) {
  const VfRange range = VfRange::parse("ens1f0", "pool");
  EXPECT_EQ(range.pf, "ens1f0");
  EXPECT_THAT(range.ranges, IsEmpty());
  EXPECT_TRUE(range.contains(0));
  EXPECT_TRUE(range.contains(255));
}

TEST(VfRange, HoldsSingleNumbersAndInclusiveRanges) {
  const VfRange range = VfRange::parse("ens1f0#0,2-4,9", "pool");
  EXPECT_THAT(range.ranges, ElementsAre(Pair(0, 0), Pair(2, 4), Pair(9, 9)));
  EXPECT_TRUE(range.contains(2));
  EXPECT_TRUE(range.contains(4));
  EXPECT_FALSE(range.contains(1));
  EXPECT_FALSE(range.contains(5));
}

TEST(VfRange, TakesAPciAddressForThePf) {
  const VfRange range = VfRange::parse("0000:86:00.0#0-1", "pf");
  EXPECT_EQ(range.pf, "0000:86:00.0");
  EXPECT_THAT(range.ranges, ElementsAre(Pair(0, 1)));
}

TEST(VfRange, WrongPartsAreNamedTogetherWithTheKey) {
  for (const auto& [text, part] : {std::pair{"eth0#", "\"\""},
                                   {"eth0#a", "\"a\""},
                                   {"eth0#3-1", "\"3-1\""},
                                   {"eth0#0,,2", "\"\""},
                                   {"eth0#1-", "\"1-\""},
                                   {"eth0#-1", "\"-1\""},
                                   {"eth0#70000", "\"70000\""},
                                   {"eth0#0 ,1", "\"0 \""}}) {
    try {
      VfRange::parse(text, "pool[1]");
      ADD_FAILURE() << text << " was taken";
    } catch (const Error& error) {
      EXPECT_TRUE(error.is(Error::Code::config)) << text;
      EXPECT_THAT(error.what(), HasSubstr("\"pool[1]\" is \"" + std::string(text) + "\"; expected"));
      EXPECT_THAT(error.hint(), HasSubstr(part));
    }
  }
}

TEST(VfRange, WithoutAPfIsRefused) {
  try {
    VfRange::parse("#0-3", "pf");
    ADD_FAILURE() << "was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.hint(), HasSubstr("name of the PF is missing"));
  }
}

}  // namespace
}  // namespace barewire::vf
