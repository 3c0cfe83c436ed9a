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

Look all_dead(const state::Attachment&) {
  return Look::yes();
}

const SteadyTime kSeen{};

std::vector<std::string> containers(const ReapPlan& plan) {
  std::vector<std::string> result;
  for (const DeadAttachment& dead : plan.attachments) result.push_back(dead.attachment.id.container_id);
  return result;
}

TEST(ReapPlan, LeavesTheLivingAlone) {
  const auto is_dead = [](const state::Attachment& each) { return Look::of(each.id.container_id == "b"); };
  EXPECT_THAT(containers(plan_reaping({made("a"), made("b")}, {}, is_dead, kMade + seconds(100), seconds(60))),
              ElementsAre("b"));
}

TEST(ReapPlan, NamesWhatItCannotTellAndLeavesItAlone) {
  const auto cannot_tell = [](const state::Attachment&) { return Look::unknown("/proc/7 may not be read"); };
  const auto plan = plan_reaping({made("a")}, {}, cannot_tell, kMade + seconds(100), seconds(0));
  EXPECT_THAT(plan.attachments, IsEmpty());
  ASSERT_THAT(plan.unseen, SizeIs(1));
  EXPECT_THAT(plan.unseen[0].what, ::testing::HasSubstr("blue/a/net1"));
  EXPECT_THAT(plan.unseen[0].why, ::testing::HasSubstr("/proc/7 may not be read"));
}

TEST(ReapPlan, TakesTheNewestFirstSoThatAChainIsUndoneInReverse) {
  EXPECT_THAT(containers(plan_reaping({made("old"), made("new", "2026-01-02T03:04:06Z")}, {}, all_dead,
                                      kMade + seconds(100), seconds(0))),
              ElementsAre("new", "old"));
}

TEST(ReapPlan, WhatIsYoungerThanTheGuardIsNotRipe) {
  const auto at = [](seconds age) { return plan_reaping({made("a")}, {}, all_dead, kMade + age, seconds(60)); };
  EXPECT_FALSE(at(seconds(59)).attachments.at(0).ripe);
  EXPECT_TRUE(at(seconds(60)).attachments.at(0).ripe);
}

TEST(ReapPlan, ARecordFromTheFutureIsRipeOnlyWithoutAGuard) {
  EXPECT_FALSE(plan_reaping({made("a")}, {}, all_dead, kMade - seconds(10), seconds(60)).attachments.at(0).ripe);
  EXPECT_TRUE(plan_reaping({made("a")}, {}, all_dead, kMade - seconds(10), seconds(0)).attachments.at(0).ripe);
}

TEST(ReapPlan, ARecordWithoutAReadableTimeIsOld) {
  EXPECT_TRUE(plan_reaping({made("a", "yesterday")}, {}, all_dead, kMade, seconds(60)).attachments.at(0).ripe);
}

TEST(ReapPlan, TakesOnlyOldClaimsWithoutARecord) {
  const std::vector<state::Claim> claims = {
      {"old", "r", false, kMade}, {"young", "r", false, kMade + seconds(90)}, {"recorded", "r", true, kMade}};
  const auto plan = plan_reaping({}, claims, all_dead, kMade + seconds(100), seconds(60));
  ASSERT_THAT(plan.claims, SizeIs(1));
  EXPECT_EQ(plan.claims[0].device, "old");
}

ReapPlan dead(const std::vector<std::string>& names, bool ripe = true) {
  ReapPlan plan;
  for (const std::string& name : names) plan.attachments.push_back({made(name), ripe});
  return plan;
}

std::size_t due(GraceWatch& watch, const ReapPlan& plan, SteadyTime now) {
  return watch.due(plan, now).attachments.size();
}

TEST(GraceWatch, IsDueOnceSeenDeadForTheGrace) {
  GraceWatch watch(seconds(30));
  EXPECT_EQ(due(watch, dead({"a"}), kSeen), 0U);
  EXPECT_EQ(watch.next(), kSeen + seconds(30));
  EXPECT_EQ(due(watch, dead({"a"}), kSeen + seconds(29)), 0U);
  EXPECT_EQ(due(watch, dead({"a"}), kSeen + seconds(30)), 1U);
}

TEST(GraceWatch, OneThatCameBackStartsAnew) {
  GraceWatch watch(seconds(30));
  watch.due(dead({"a"}), kSeen);
  watch.due(dead({}), kSeen + seconds(20));
  EXPECT_EQ(watch.next(), std::nullopt);
  EXPECT_EQ(due(watch, dead({"a"}), kSeen + seconds(40)), 0U);
}

TEST(GraceWatch, ALaterAttachmentOfTheSameNameStartsAnew) {
  GraceWatch watch(seconds(30));
  watch.due(dead({"a"}), kSeen);
  ReapPlan again = dead({"a"});
  again.attachments[0].attachment.since = "2026-01-02T03:04:30Z";
  EXPECT_EQ(due(watch, again, kSeen + seconds(30)), 0U);
  EXPECT_EQ(due(watch, again, kSeen + seconds(60)), 1U);
}

TEST(GraceWatch, OneThatIsNotRipeWaits) {
  GraceWatch watch(seconds(0));
  EXPECT_EQ(due(watch, dead({"a"}, false), kSeen), 0U);
  EXPECT_EQ(due(watch, dead({"a"}, true), kSeen), 1U);
}

TEST(GraceWatch, AClaimWaitsAsAnAttachmentDoes) {
  GraceWatch watch(seconds(30));
  ReapPlan plan;
  plan.claims.push_back({"0000:01:10.0", "r", false, kMade});
  EXPECT_THAT(watch.due(plan, kSeen).claims, IsEmpty());
  EXPECT_THAT(watch.due(plan, kSeen + seconds(30)).claims, SizeIs(1));
}

TEST(ParseTime, TakesRfc3339InUtcAlone) {
  EXPECT_EQ(parse_time("1970-01-01T00:01:40Z"), WallTime(seconds(100)));
  for (const char* text :
       {"", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00+01:00", "1970-01-01T00:00:00Zx"})
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
}

}  // namespace
}  // namespace barewire::manager
