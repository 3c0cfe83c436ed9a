// SPDX-License-Identifier: Apache-2.0
#include "core/json_view.h"

#include <gmock/gmock.h>

namespace barewire {
namespace {

using ::testing::HasSubstr;

std::string message_of(const std::function<void()>& call, int* code = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (code != nullptr) *code = error.code();
    return error.what();
  }
  return "nothing was thrown";
}

TEST(JsonView, MatchesKeysWithoutRegardToCase) {
  const auto json = parse_json(R"({"Vlan": 100, "spoofChk": "on"})", "config");
  const JsonView view(json);
  EXPECT_EQ(view.at("vlan").integer(0, 4094, "a VLAN"), 100);
  EXPECT_EQ(view.at("spoofchk").string(), "on");
}

TEST(JsonView, TakesTheLastOfDuplicateKeys) {
  const auto json = parse_json(R"({"vlan": 1, "vlan": 2, "mac": "a", "MAC": "b"})", "config");
  EXPECT_EQ(JsonView(json).at("vlan").integer(0, 9, "x"), 2);
  EXPECT_EQ(JsonView(json).at("mac").string(), "b");
}

TEST(JsonView, ANullDoesNotTakeBackWhatAnotherSpellingSaid) {
  const auto json = parse_json(R"({"cniVersion": "1.0.0", "CNIVersion": null})", "config");
  EXPECT_EQ(JsonView(json).at("cniVersion").string(), "1.0.0");
}

TEST(JsonView, TakesNullForAbsent) {
  const auto json = parse_json(R"({"vlan": null})", "config");
  EXPECT_FALSE(JsonView(json).has("vlan"));
  EXPECT_EQ(JsonView(json).integer_or("vlan", 0, 4094, "x", 7), 7);
}

TEST(JsonView, NamesKeyValueAndExpectationOfAWrongType) {
  const auto json = parse_json(R"({"vf": {"vlan": "100"}, "rates": [1, 2.5]})", "config");
  const JsonView view(json);
  int code = 0;
  EXPECT_EQ(message_of([&] { view.at("vf").at("vlan").integer(0, 4094, "an 802.1Q VLAN id"); }, &code),
            R"(config key "vf.vlan" is "100"; expected an integer from 0 to 4094 (an 802.1Q VLAN id))");
  EXPECT_EQ(code, 7);
  EXPECT_THAT(message_of([&] { view.at("rates").array()[1].integer(0, 9, "Mb/s"); }),
              HasSubstr(R"("rates[1]" is 2.5; expected an integer)"));
  EXPECT_THAT(message_of([&] { (void)view.at("vf").string(); }), HasSubstr("expected a string"));
  EXPECT_THAT(message_of([&] { (void)view.at("rates").boolean(); }), HasSubstr("expected true or false"));
  EXPECT_THAT(message_of([&] { (void)view.at("nothing"); }), HasSubstr(R"(config key "nothing" is missing)"));
}

TEST(JsonView, TakesForAnIntegerWhatGoTakes) {
  const auto json = parse_json(
      R"({"good": [0, -0, 7, 2147483648, -1], "bad": [5.0, 1e3, 10.5, "5", true, [], {}, 9223372036854775808]})", "c");
  for (const JsonView& good : JsonView(json).at("good").array()) EXPECT_NO_THROW(good.integer(-1, 1LL << 40, "x"));
  for (const JsonView& bad : JsonView(json).at("bad").array())
    EXPECT_THROW(bad.integer(INT64_MIN, INT64_MAX, "x"), Error) << bad.path();
  EXPECT_THAT(message_of([&] { JsonView(json).at("bad").array()[2].integer(0, 99, "x"); }), HasSubstr("is 10.5;"));
  EXPECT_THAT(message_of([&] { JsonView(json).at("bad").array()[0].integer(0, 99, "x"); }), HasSubstr("is 5.0;"));
}

TEST(JsonView, TakesANullElementForTheZeroValue) {
  const auto json = parse_json(R"({"list": [null]})", "config");
  const JsonView null = JsonView(json).at("list").array()[0];
  EXPECT_EQ(null.string(), "");
  EXPECT_EQ(null.integer(0, 9, "x"), 0);
  EXPECT_FALSE(null.boolean());
  EXPECT_TRUE(null.array().empty());
  EXPECT_TRUE(null.members().empty());
  EXPECT_FALSE(null.has("anything"));
  EXPECT_THROW((void)null.integer(1, 9, "x"), Error) << "zero is still out of range";
}

TEST(ParseJson, SaysWhereASyntaxErrorIs) {
  int code = 0;
  const std::string message = message_of([] { parse_json("{\"a\": 1,\n \"b\": ,}", "network config"); }, &code);
  EXPECT_THAT(message, HasSubstr("network config is not valid JSON at line 2, column 7"));
  EXPECT_EQ(code, 6);
}

TEST(ParseJson, SaysThatNothingArrived) {
  for (const char* blank : {"", "\n", " \t\r\n"})
    EXPECT_EQ(message_of([&] { parse_json(blank, "network config"); }),
              "network config is not valid JSON: it is empty");
}

TEST(ParseJson, RefusesWhatIsCutOffOrFollowedByMore) {
  for (const char* text : {"", "{", "{\"a\":1", "{} {}", "{\"a\":1}x", "[1,]"})
    EXPECT_THROW(parse_json(text, "config"), Error) << text;
  EXPECT_NO_THROW(parse_json(" {} \n", "config"));
}

}  // namespace
}  // namespace barewire
