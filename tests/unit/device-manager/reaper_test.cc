// SPDX-License-Identifier: Apache-2.0
#include "device-manager/reaper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/device-manager/sample.h"

namespace barewire::manager {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const WallTime kMade = *parse_time("2026-01-02T03:04:05Z");

state::Attachment made(const std::string& container, const std::string& since = "2026-01-02T03:04:05Z") {
  state::Attachment attachment = sample::attachment("blue", container, "");
  attachment.since = since;
  return attachment;
}

bool none_alive(const state::Attachment&) {
  return false;
}

std::vector<std::string> containers(const ReapPlan& plan) {
  std::vector<std::string> result;
  for (const DeadAttachment& dead : plan.attachments) result.push_back(dead.attachment.id.container_id);
  return result;
}

TEST(ReapPlan, LeavesTheLivingAlone) {
  const auto is_alive = [](const state::Attachment& each) { return each.id.container_id == "a"; };
  EXPECT_THAT(containers(plan_reaping({made("a"), made("b")}, {}, is_alive, kMade + seconds(100), seconds(60))),
              ElementsAre("b"));
}

TEST(ReapPlan, TakesTheNewestFirstSoThatAChainIsUndoneInReverse) {
  EXPECT_THAT(containers(plan_reaping({made("old"), made("new", "2026-01-02T03:04:06Z")}, {}, none_alive,
                                      kMade + seconds(100), seconds(0))),
              ElementsAre("new", "old"));
}

TEST(ReapPlan, WhatIsYoungerThanTheGuardIsNotRipe) {
  const auto at = [](seconds age) { return plan_reaping({made("a")}, {}, none_alive, kMade + age, seconds(60)); };
  EXPECT_FALSE(at(seconds(59)).attachments.at(0).ripe);
  EXPECT_TRUE(at(seconds(60)).attachments.at(0).ripe);
}

TEST(ReapPlan, ARecordFromTheFutureIsRipeOnlyWithoutAGuard) {
  EXPECT_FALSE(plan_reaping({made("a")}, {}, none_alive, kMade - seconds(10), seconds(60)).attachments.at(0).ripe);
  EXPECT_TRUE(plan_reaping({made("a")}, {}, none_alive, kMade - seconds(10), seconds(0)).attachments.at(0).ripe);
}

TEST(ReapPlan, ARecordWithoutAReadableTimeIsOld) {
  EXPECT_TRUE(plan_reaping({made("a", "yesterday")}, {}, none_alive, kMade, seconds(60)).attachments.at(0).ripe);
}

TEST(ReapPlan, TakesOnlyOldClaimsWithoutARecord) {
  const std::vector<state::Claim> claims = {
      {"old", "r", false, kMade}, {"young", "r", false, kMade + seconds(90)}, {"recorded", "r", true, kMade}};
  const auto plan = plan_reaping({}, claims, none_alive, kMade + seconds(100), seconds(60));
  ASSERT_THAT(plan.claims, SizeIs(1));
  EXPECT_EQ(plan.claims[0].device, "old");
}

ReapPlan dead(const std::vector<std::string>& names, bool ripe = true) {
  ReapPlan plan;
  for (const std::string& name : names) plan.attachments.push_back({made(name), ripe});
  return plan;
}

TEST(GraceWatch, IsDueOnceSeenDeadForTheGrace) {
  GraceWatch watch(seconds(30));
  EXPECT_THAT(watch.due(dead({"a"}), kMade), IsEmpty());
  EXPECT_EQ(watch.next(), kMade + seconds(30));
  EXPECT_THAT(watch.due(dead({"a"}), kMade + seconds(29)), IsEmpty());
  EXPECT_THAT(watch.due(dead({"a"}), kMade + seconds(30)), SizeIs(1));
}

TEST(GraceWatch, OneThatCameBackStartsAnew) {
  GraceWatch watch(seconds(30));
  watch.due(dead({"a"}), kMade);
  watch.due(dead({}), kMade + seconds(20));
  EXPECT_EQ(watch.next(), std::nullopt);
  EXPECT_THAT(watch.due(dead({"a"}), kMade + seconds(40)), IsEmpty());
}

TEST(GraceWatch, OneThatIsNotRipeWaits) {
  GraceWatch watch(seconds(0));
  EXPECT_THAT(watch.due(dead({"a"}, false), kMade), IsEmpty());
  EXPECT_THAT(watch.due(dead({"a"}, true), kMade), SizeIs(1));
}

TEST(GraceWatch, AClockSetBackDelaysAndNeverHastens) {
  GraceWatch watch(seconds(30));
  watch.due(dead({"a"}), kMade);
  EXPECT_THAT(watch.due(dead({"a"}), kMade - seconds(3600)), IsEmpty());
  EXPECT_THAT(watch.due(dead({"a"}), kMade - seconds(3571)), IsEmpty());
  EXPECT_THAT(watch.due(dead({"a"}), kMade - seconds(3570)), SizeIs(1));
}

TEST(ParseTime, TakesRfc3339InUtcAlone) {
  EXPECT_EQ(parse_time("1970-01-01T00:01:40Z"), WallTime(seconds(100)));
  for (const char* text :
       {"", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00+01:00", "1970-01-01T00:00:00Zx"})
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
}

}  // namespace
}  // namespace barewire::manager
