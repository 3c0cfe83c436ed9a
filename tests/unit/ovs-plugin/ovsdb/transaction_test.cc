// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ovsdb/transaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "json_text.h"

namespace barewire::ovsdb {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kTitles{"wait in table Port", "insert in table Port", "mutate in table Bridge",
                                       "select in table Open_vSwitch"};
constexpr const char* kUuid = R"(["uuid","6a9c2f2e-0a5c-4b1d-9e3f-0123456789ab"])";

std::string good(const std::string& last) {
  return fmt::format(R"([{{}},{{"uuid":{}}},{{"count":1}},{}])", kUuid, last);
}

TEST(Reply, GivesEachOperationItsAnswer) {
  const auto result = read_outcome(*parsed(good(R"({"rows":[{"next_cfg":7}]})")), kTitles);
  const auto& outcome = std::get<Outcome>(result);
  EXPECT_EQ(outcome.inserted({1}).text, "6a9c2f2e-0a5c-4b1d-9e3f-0123456789ab");
  EXPECT_EQ(outcome.count({2}), 1);
  EXPECT_EQ(outcome.rows({3}).at(0).get<std::int64_t>("next_cfg"), 7);
}

TEST(Reply, AnOperationRefusedIsNamedWithTheServersWords) {
  const auto result =
      read_outcome(*parsed(R"([{},{"error":"constraint violation","details":"tag is 5000"},null,null])"), kTitles);
  const auto& refusal = std::get<Refusal>(result);
  EXPECT_EQ(refusal.operation, 1U);
  EXPECT_EQ(refusal.title, "insert in table Port");
  EXPECT_EQ(refusal.error, "constraint violation");
  EXPECT_EQ(refusal.details, "tag is 5000");
}

TEST(Reply, ARefusalMayCutTheReplyShort) {
  const auto result = read_outcome(*parsed(R"([{"error":"timed out"}])"), kTitles);
  EXPECT_EQ(std::get<Refusal>(result).operation, 0U);
}

TEST(Reply, TheCommitRefusedComesAfterEveryOperationsAnswer) {
  const std::string all = good(R"({"rows":[]},{"error":"referential integrity violation","details":"why"})");
  const auto refusal = std::get<Refusal>(read_outcome(*parsed(all), kTitles));
  EXPECT_EQ(refusal.operation, kTitles.size());
  EXPECT_EQ(refusal.title, "commit");
}

TEST(Reply, ANullErrorIsNoError) {
  EXPECT_TRUE(std::holds_alternative<Outcome>(read_outcome(*parsed(good(R"({"rows":[],"error":null})")), kTitles)));
}

class MalformedReply : public ::testing::TestWithParam<std::string> {};

TEST_P(MalformedReply, IsAnErrorAndNeverTakenForSuccess) {
  try {
    read_outcome(*parsed(GetParam()), kTitles);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_TRUE(error.is(Error::Code::ovsdb));
    EXPECT_THAT(error.what(), HasSubstr("reading the reply of the Open vSwitch database failed: expected "));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, MalformedReply,
    ::testing::Values("{}", "[]", "[null]",
                      R"([{},{"uuid":["uuid","6a9c2f2e-0a5c-4b1d-9e3f-0123456789ab"]},{"count":1}])",
                      "[{},null,null,null]", R"([{},{},{"count":1},{"rows":[]}])",
                      R"([{},{"uuid":["uuid","x"]},{"count":1},{"rows":[]}])", good("5"), good("{}"),
                      good(R"({"rows":5})"), good(R"({"rows":[5]})"), good(R"({"rows":[{"next_cfg":null}]})"),
                      R"([{},{"uuid":["uuid","6a9c2f2e-0a5c-4b1d-9e3f-0123456789ab"]},{"count":"1"},{"rows":[]}])"));

TEST(Refused, TheMessageSaysWhatWasBeingDone) {
  try {
    throw_refused({1, "insert in table Port", "constraint violation", "tag is 5000"}, "adding port p to bridge b");
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "adding port p to bridge b failed: the Open vSwitch database refused insert in table Port: constraint "
                 "violation");
    EXPECT_EQ(error.hint(), "tag is 5000");
  }
}

TEST(Transaction, KnowsWhetherItOnlyReads) {
  Transaction transaction;
  transaction.select("Port", {}, {"name"});
  transaction.wait("Port", {}, {"name"}, Transaction::Until::equal, {});
  transaction.comment("reading");
  EXPECT_TRUE(transaction.only_reads());
  transaction.remove("Port", {{"name", "==", "p"}});
  EXPECT_FALSE(transaction.only_reads());
}

}  // namespace
}  // namespace barewire::ovsdb
