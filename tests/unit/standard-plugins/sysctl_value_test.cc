// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/tuning/sysctl_value.h"

#include <gtest/gtest.h>

namespace barewire::standard {
namespace {

TEST(SysctlValue, IsTheSameHoweverItsBlanksAreWritten) {
  EXPECT_TRUE(is_same_sysctl_value("4096  87380\t6291456", "4096\t87380\t6291456"));
  EXPECT_TRUE(is_same_sysctl_value(" 1 \n", "1"));
  EXPECT_FALSE(is_same_sysctl_value("4096 87380", "4096\t87380\t6291456"));
}

TEST(SysctlValue, IsTheSameInEveryBase) {
  EXPECT_TRUE(is_same_sysctl_value("0x10", "16"));
  EXPECT_TRUE(is_same_sysctl_value("020", "16"));
  EXPECT_TRUE(is_same_sysctl_value("-1", "-1"));
  EXPECT_FALSE(is_same_sysctl_value("0x10", "10"));
  EXPECT_FALSE(is_same_sysctl_value("1", "-1"));
  EXPECT_FALSE(is_same_sysctl_value("0x", "0"));
}

TEST(SysctlValue, IsTheSameListOfRanges) {
  EXPECT_TRUE(is_same_sysctl_value("8082,8080,8081,9000-9010", "8080-8082,9000-9010"));
  EXPECT_FALSE(is_same_sysctl_value("8080,8082", "8080-8082"));
}

TEST(SysctlValue, IsTheSameMaskWithoutItsLeadingZeros) {
  EXPECT_TRUE(is_same_sysctl_value("ff", "00000000,000000ff"));
  EXPECT_FALSE(is_same_sysctl_value("f", "0000000e"));
}

TEST(SysctlValue, IsAnotherWhereTheTextIs) {
  EXPECT_TRUE(is_same_sysctl_value("cubic", "cubic"));
  EXPECT_FALSE(is_same_sysctl_value("cubic", "reno"));
  EXPECT_TRUE(is_same_sysctl_value("", ""));
  EXPECT_FALSE(is_same_sysctl_value("", "0"));
}

}  // namespace
}  // namespace barewire::standard
