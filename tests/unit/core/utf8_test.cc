// SPDX-License-Identifier: Apache-2.0
#include "core/utf8.h"

#include <gtest/gtest.h>

namespace barewire {
namespace {

TEST(Utf8, IsWhatTheStandardAllowsAndNothingElse) {
  for (const char* text : {"", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80",
                           "\xf4\x8f\xbf\xbf", "a\xc2\x80z"})
    EXPECT_TRUE(is_utf8(text)) << escape_line(text);
  for (const char* text :
       {"\x80", "\xff", "\xc3", "a\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "\xf0\x90\x80"})
    EXPECT_FALSE(is_utf8(text)) << escape_line(text);
}

TEST(Utf8, BytesThatAreNoTextAreShownAndTextStays) {
  EXPECT_EQ("a\xc3\xa4\\xffz", escape_bytes("a\xc3\xa4\xffz"));
  EXPECT_EQ("\\xe2\\x82", escape_bytes("\xe2\x82"));
  EXPECT_EQ("two\nlines", escape_bytes("two\nlines"));
  EXPECT_EQ("two\\x0alines\\x1b[2J\\x7f\\xff", escape_line("two\nlines\x1b[2J\x7f\xff"));
  EXPECT_EQ("{\"a\":\"\xef\xbf\xbd\"}", replace_bytes("{\"a\":\"\xff\"}"));
}

}  // namespace
}  // namespace barewire
