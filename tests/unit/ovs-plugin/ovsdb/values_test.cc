// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ovsdb/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace barewire::ovsdb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string message_of(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::ovsdb));
    return error.what();
  }
  return "nothing thrown";
}

TEST(Value, AnAtomReadsAsItself) {
  EXPECT_EQ(Value(100).get<std::int64_t>(), 100);
  EXPECT_EQ(Value("br0").get<std::string>(), "br0");
  EXPECT_TRUE(Value(true).get<bool>());
  EXPECT_EQ(Value(Uuid{"u"}).get<Uuid>().text, "u");
}

TEST(Value, AnEmptySetIsNoValueOfAnyType) {
  EXPECT_EQ(Value().find<std::int64_t>(), std::nullopt);
  EXPECT_EQ(Value().find<std::string>(), std::nullopt);
  EXPECT_THAT(Value().all<Uuid>(), IsEmpty());
  EXPECT_THAT(Value().string_map(), IsEmpty());
}

TEST(Value, SetsWithTheSameAtomsAreEqualWhateverTheirOrder) {
  EXPECT_EQ(Value(Set{3, 1, 2, 1}), Value(Set{1, 2, 3}));
  EXPECT_NE(Value(Set{1, 2}), Value(Set{1, 3}));
  EXPECT_THAT(Value(Set{3, 1, 2}).all<std::int64_t>(), ElementsAre(1, 2, 3));
}

TEST(Value, ARealWithoutFractionReadsAsReal) {
  EXPECT_DOUBLE_EQ(Value(2).get<double>(), 2.0);
}

TEST(Value, ASecondAtomWhereOneIsExpectedIsAnError) {
  EXPECT_THAT(message_of([] { Value(Set{1, 2}).get<std::int64_t>(); }), HasSubstr("at most one integer, found {1, 2}"));
}

TEST(Value, NoAtomWhereOneIsExpectedIsAnError) {
  EXPECT_THAT(message_of([] { Value().get<std::int64_t>(); }), HasSubstr("one integer, found {}"));
}

TEST(Value, AnAtomOfAnotherTypeIsAnError) {
  EXPECT_THAT(message_of([] { Value("100").get<std::int64_t>(); }), HasSubstr("a set of integer, found 100"));
  EXPECT_THAT(message_of([] { Value(1).string_map(); }), HasSubstr("a map of strings"));
  EXPECT_THAT(message_of([] { Value(Map{{1, "one"}}).string_map(); }), HasSubstr("a map of strings, found {1=one}"));
  EXPECT_THAT(message_of([] { Value(StringMap{{"a", "b"}}).get<std::string>(); }), HasSubstr("found {a=b}"));
}

TEST(Row, AnErrorNamesTheColumn) {
  const Row row{{"tag", "x"}};
  EXPECT_THAT(message_of([&] { row.find<std::int64_t>("tag"); }), HasSubstr("reading database column tag failed"));
  EXPECT_THAT(message_of([&] { row.get<std::int64_t>("ofport"); }),
              HasSubstr("column ofport failed: the reply does not"));
}

TEST(Row, ALaterValueOfAColumnReplacesTheEarlier) {
  Row row{{"tag", 1}};
  row.set("tag", 2);
  EXPECT_EQ(row.get<std::int64_t>("tag"), 2);
}

}  // namespace
}  // namespace barewire::ovsdb
