// SPDX-License-Identifier: Apache-2.0
#include "device-manager/cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace barewire::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kRight = Column::Align::right;

Terminal terminal(std::size_t width, bool utf8 = true) {
  return {.colours = false, .utf8 = utf8, .width = width};
}

TEST(Table, AlignsColumnsAndLeavesNoBlanksAtTheEnd) {
  Table table({{"VF", kRight}, {"PCI"}, {"STATE"}});
  table.add_row({"0", "0000:01:10.0", "free"});
  table.add_row({"11", "0000:01:11.3", "in use elsewhere"});
  EXPECT_EQ(table.render({}),
            "VF  PCI           STATE\n"
            " 0  0000:01:10.0  free\n"
            "11  0000:01:11.3  in use elsewhere\n");
}

TEST(Table, ShowsAnEmptyCellAsADash) {
  Table table({{"A"}, {"B"}});
  table.add_row({"", "x"});
  EXPECT_EQ(table.render({}), "A  B\n-  x\n");
}

TEST(Table, RepeatsTitlesUnderEachHeadingWithTheSameWidths) {
  Table table({{"N"}, {"M"}});
  table.add_heading("first");
  table.add_row({"long name", "1"});
  table.add_heading("second");
  table.add_row({"x", "2"});
  EXPECT_EQ(table.render({}),
            "first\n"
            "  N          M\n"
            "  long name  1\n"
            "\n"
            "second\n"
            "  N          M\n"
            "  x          2\n");
}

TEST(Table, AHeadingWithoutRowsHasNoTitles) {
  Table table({{"N"}});
  table.add_heading("alone");
  EXPECT_EQ(table.render({}), "alone\n");
}

TEST(Table, OnANarrowTerminalTheMostExpendableColumnGoesFirst) {
  Table table({{"KEEP"}, {"LAST", Column::Align::left, 1}, {"FIRST", Column::Align::left, 2}});
  table.add_row({"1", "2", "3"});
  EXPECT_EQ(table.render(terminal(17)), "KEEP  LAST  FIRST\n1     2     3\n");
  EXPECT_EQ(table.render(terminal(16)), "KEEP  LAST\n1     2\n");
  EXPECT_EQ(table.render(terminal(9)), "KEEP\n1\n");
}

TEST(Table, WhatCannotGoIsShortenedVisibly) {
  Table table({{"A"}, {"B"}});
  table.add_row({"0123456789", "x"});
  EXPECT_EQ(table.render(terminal(11)), "A         B\n0123456…  x\n");
  EXPECT_EQ(table.render(terminal(11, false)), "A         B\n0123456~  x\n");
}

TEST(Table, IsNeverCutWhereThereIsNoTerminal) {
  Table table({{"A"}, {"B", Column::Align::left, 1}});
  table.add_row({std::string(500, 'a'), std::string(500, 'b')});
  EXPECT_THAT(table.render({}), HasSubstr(std::string(500, 'a') + "  " + std::string(500, 'b')));
}

TEST(Table, ColoursDoNotDisturbAlignment) {
  Table table({{"STATE"}, {"N"}});
  table.add_row({{"free", Style::green}, "1"});
  const std::string painted = table.render({.colours = true, .utf8 = true, .width = 80});
  EXPECT_THAT(painted, HasSubstr("\033[32mfree\033[0m   1\n"));
  EXPECT_THAT(table.render({}), Not(HasSubstr("\033")));
}

TEST(Table, ControlCharactersInNamesNeverReachTheTerminal) {
  Table table({{"POD"}});
  table.add_row({"evil\033[2J\npod"});
  EXPECT_EQ(table.render({}), "POD\nevil?[2J?pod\n");
}

TEST(Printable, LeavesTextAndTakesEveryControl) {
  EXPECT_EQ(printable("é — \xC2\xA0"), "é — \xC2\xA0");
  EXPECT_EQ(printable("a\xC2\x9B"
                      "2J"),
            "a?2J")
      << "U+009B begins an escape sequence as ESC [ does";
  EXPECT_EQ(printable("a\x9B"
                      "2J\x7F"),
            "a\\x9b2J?")
      << "so does the byte, to a terminal of 8 bits";
}

TEST(Shorten, CountsCharactersAndNotBytes) {
  EXPECT_EQ(shorten("éèê", 3, true), "éèê");
  EXPECT_EQ(shorten("éèêë", 3, true), "éè…");
  EXPECT_EQ(shorten("abc", 0, true), "");
}

}  // namespace
}  // namespace barewire::cli
