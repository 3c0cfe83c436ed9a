// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ovsdb/wire.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "json_text.h"

namespace barewire::ovsdb {
namespace {

const std::string kUuid = "6a9c2f2e-0a5c-4b1d-9e3f-0123456789ab";

TEST(Wire, WritesValuesAsRfc7047Says) {
  EXPECT_EQ(printed(to_json(Value(100))), "100");
  EXPECT_EQ(printed(to_json(Value("a\"b"))), R"("a\"b")");
  EXPECT_EQ(printed(to_json(Value(false))), "false");
  EXPECT_EQ(printed(to_json(Value())), R"(["set",[]])");
  EXPECT_EQ(printed(to_json(Value(Set{2, 1}))), R"(["set",[1,2]])");
  EXPECT_EQ(printed(to_json(Value(Uuid{kUuid}))), fmt::format(R"(["uuid","{}"])", kUuid));
  EXPECT_EQ(printed(to_json(Value(NamedUuid{"port"}))), R"(["named-uuid","port"])");
  EXPECT_EQ(printed(to_json(Value(StringMap{{"a", "1"}, {"b", "2"}}))), R"(["map",[["a","1"],["b","2"]]])");
  EXPECT_EQ(printed(to_json(Row{{"tag", 5}, {"name", "p"}})), R"({"name":"p","tag":5})");
}

TEST(Wire, ReadsBackWhatItWrites) {
  for (const Value& value : {Value(100), Value(-1.5), Value("text"), Value(true), Value(), Value(Set{1, 2}),
                             Value(Uuid{kUuid}), Value(Set{Uuid{kUuid}, Uuid{fmt::format("7{}", kUuid.substr(1))}}),
                             Value(StringMap{{"k", "v"}}), Value(StringMap{})}) {
    EXPECT_EQ(value_from_json(*to_json(value)), value) << value.text();
  }
}

TEST(Wire, UuidsReadInLowerCase) {
  EXPECT_EQ(uuid_from_json(*parsed(R"(["uuid","6A9C2F2E-0A5C-4B1D-9E3F-0123456789AB"])")).text, kUuid);
}

TEST(Wire, AStringWithANulByteIsRefusedInsteadOfCut) {
  try {
    to_json(Value(std::string("a\0b", 3)));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::config));
  }
}

class Malformed : public ::testing::TestWithParam<const char*> {};

TEST_P(Malformed, ValueIsAnErrorThatQuotesIt) {
  const JsonPtr value = parsed(GetParam());
  try {
    value_from_json(*value);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::ovsdb));
    EXPECT_NE(std::string(error.what()).find("reading the reply of the Open vSwitch database failed"),
              std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Malformed,
                         ::testing::Values("[null]", "{}", "[]", R"(["uuid"])", R"(["uuid",5])",
                                           R"(["uuid","not-one"])", R"(["set",5])", R"(["set",[[]]])",
                                           R"(["map",[["a"]]])", R"(["map",[5]])", R"(["map",["ab"]])",
                                           R"(["other",[]])", R"([["set"],[]])"));

TEST(Wire, ALongReplyIsQuotedInPart) {
  const JsonPtr value = parsed(fmt::format("{{\"{}\":1}}", std::string(1000, 'x')));
  try {
    value_from_json(*value);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_LT(std::string(error.what()).size(), 400U);
  }
}

}  // namespace
}  // namespace barewire::ovsdb
