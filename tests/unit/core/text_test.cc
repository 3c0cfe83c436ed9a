// SPDX-License-Identifier: Apache-2.0
#include "core/text.h"

#include <gtest/gtest.h>

#include <array>

#include "core/kernel/internet_checksum.h"

namespace barewire {
namespace {

TEST(Text, CaseIsThatOfAsciiLettersAlone) {
  EXPECT_TRUE(equal_ignoring_case("cniVersion", "CNIVERSION"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_FALSE(equal_ignoring_case("@", "`")) << "they differ by the bit that tells letters apart";
  EXPECT_FALSE(equal_ignoring_case("\xc3\x84", "\xc3\xa4"));
  EXPECT_EQ("0000:0a:1b.c", to_lower("0000:0A:1B.C"));
  EXPECT_TRUE(contains_ignoring_case("Unknown CNI_COMMAND: GC", "unknown cni_command"));
  EXPECT_FALSE(contains_ignoring_case("short", "longer than that"));
}

TEST(Text, TrimTakesBothEndsAndLeavesTheMiddle) {
  EXPECT_EQ("a b", trim(" \ta b\t "));
  EXPECT_EQ("", trim(" \t"));
  EXPECT_EQ("", trim(""));
  EXPECT_EQ("\na\n", trim("\na\n"));
  EXPECT_EQ("a", trim("\na\n", "\n"));
}

TEST(Text, Fnv1aIsAsPublished) {
  // Source: draft-eastlake-fnv, appendix C.
  EXPECT_EQ(0xcbf29ce484222325U, fnv1a(""));
  EXPECT_EQ(0xaf63dc4c8601ec8cU, fnv1a("a"));
  EXPECT_EQ(0x85944171f73967e8U, fnv1a("foobar"));
}

TEST(InternetChecksum, IsAsPublished) {
  // Source: RFC 1071 section 3.
  constexpr std::array<std::uint8_t, 8> kBytes = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(static_cast<std::uint16_t>(~0xddf2), kernel::internet_checksum(kBytes));
  EXPECT_EQ(static_cast<std::uint16_t>(~0xddf3), kernel::internet_checksum(kBytes, 1));
  EXPECT_EQ(static_cast<std::uint16_t>(~0x0100), kernel::internet_checksum(std::array<std::uint8_t, 1>{1}))
      << "odd length";
}

}  // namespace
}  // namespace barewire
