// SPDX-License-Identifier: Apache-2.0
#include "device-manager/history.h"

#include <gmock/gmock.h>

namespace barewire::manager {
namespace {

using journal::Event;
using journal::Kind;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::SizeIs;

journal::Time at(std::string_view text) {
  return *journal::parse_time(text);
}

constexpr const char* kVf = "0000:01:10.0";

Event event(Kind kind, const char* time, const char* pod, const char* device = kVf) {
  Event made{.kind = kind,
             .time = at(time),
             .boot = "boot-1",
             .cause = "runtime",
             .plugin = "sriov",
             .command = kind == Kind::detach ? "DEL" : "ADD",
             .network = "fast",
             .name_space = "default",
             .pod = pod,
             .container = std::string("0123456789ab") + pod,
             .ifname = "net1",
             .device = device,
             .pf = "0000:01:00.0"};
  made.up = made.time.time_since_epoch() % std::chrono::hours(24);
  return made;
}

TEST(History, AnEventIsOfItsPodDeviceAndContainer) {
  const Event one = event(Kind::attach, "2026-11-28", "web-0");
  for (const char* subject : {"default/web-0", "web-0", kVf, "0000:01:00.0", "0123456789abweb-0", "0123456789ab"})
    EXPECT_TRUE(is_about(one, subject)) << subject;
  for (const char* subject : {"", "other/web-0", "web", "default/", "0000:01:10", "0123456789"})
    EXPECT_FALSE(is_about(one, subject)) << subject;
}

TEST(History, IsNarrowedBySubjectAndTime) {
  const std::vector<Event> events = {event(Kind::attach, "2026-11-28T01:00", "a"),
                                     event(Kind::attach, "2026-11-28T02:00", "b"),
                                     event(Kind::detach, "2026-11-28T03:00", "a")};
  EXPECT_THAT(select(events, "", std::nullopt), SizeIs(3));
  EXPECT_THAT(select(events, "a", std::nullopt), SizeIs(2));
  EXPECT_THAT(select(events, "a", at("2026-11-28T03:00")), ElementsAre(Field(&Event::kind, Kind::detach)));
}

TEST(History, AMomentIsASpanOrATime) {
  const auto now = at("2026-11-28T12:00");
  EXPECT_EQ(parse_moment("90s", now), at("2026-11-28T11:58:30"));
  EXPECT_EQ(parse_moment("30m", now), at("2026-11-28T11:30"));
  EXPECT_EQ(parse_moment("2h", now), at("2026-11-28T10:00"));
  EXPECT_EQ(parse_moment("7d", now), at("2026-11-21T12:00"));
  EXPECT_EQ(parse_moment("2026-11-28T02:14", now), at("2026-11-28T02:14"));
  for (const char* wrong : {"", "2", "h", "-2h", "2w", "2h30m", "99999999999999999999s", "999999999d"})
    EXPECT_FALSE(parse_moment(wrong, now)) << wrong;
}

TEST(Why, IsTheLastFailureAndWhetherItStands) {
  Event refusal = event(Kind::refusal, "2026-11-28T02:00", "a");
  refusal.code = 102;
  EXPECT_FALSE(last_failure({event(Kind::attach, "2026-11-28T01:00", "a")}));
  EXPECT_FALSE(last_failure({event(Kind::attach, "2026-11-28T01:00", "a"), refusal})->overcome);
  Event elsewhere = event(Kind::attach, "2026-11-28T03:00", "a");
  elsewhere.network = "other";
  EXPECT_FALSE(last_failure({refusal, elsewhere})->overcome) << "another network's ADD says nothing of this one";
  const auto overcome = last_failure({refusal, event(Kind::attach, "2026-11-28T03:00", "a")});
  ASSERT_TRUE(overcome && overcome->overcome);
  EXPECT_EQ(overcome->overcome->time, at("2026-11-28T03:00"));
}

TEST(Who, HadTheVfAtATime) {
  const std::vector<Event> events = {
      event(Kind::attach, "2026-11-28T01:00", "a"), event(Kind::refusal, "2026-11-28T01:30", "b"),
      event(Kind::detach, "2026-11-28T02:00", "a"), event(Kind::attach, "2026-11-28T03:00", "b"),
      event(Kind::reap, "2026-11-28T04:00", "b")};
  const auto who = [&](const char* time) {
    const Holding holding = holder_at(events, kVf, at(time));
    return !holding.is_known ? "?" : holding.holder ? holding.holder->pod : "-";
  };
  EXPECT_EQ(who("2026-11-28T00:59"), "?");
  EXPECT_EQ(who("2026-11-28T01:00"), "a");
  EXPECT_EQ(who("2026-11-28T01:59"), "a") << "a refusal takes nothing from the holder";
  EXPECT_EQ(who("2026-11-28T02:00"), "-");
  EXPECT_EQ(who("2026-11-28T03:30"), "b");
  EXPECT_EQ(who("2026-11-28T05:00"), "-");
  EXPECT_FALSE(holder_at(events, "0000:01:10.2", at("2026-11-28T01:30")).holder);
}

TEST(Who, NobodyHasWhatAnEarlierBootHad) {
  Event after = event(Kind::attach, "2026-11-28T03:00", "b", "0000:01:10.2");
  after.boot = "boot-2";
  const std::vector<Event> events = {event(Kind::attach, "2026-11-28T01:00", "a"), after};
  EXPECT_TRUE(holder_at(events, kVf, at("2026-11-28T02:59")).holder);
  EXPECT_FALSE(holder_at(events, kVf, at("2026-11-28T03:01")).holder);
}

TEST(Who, OfAChainThePluginThatBroughtTheDevice) {
  Event chained = event(Kind::attach, "2026-11-28T01:00:01", "a");
  chained.plugin = "tuning";
  chained.up += std::chrono::seconds(1);
  const auto holding = holder_at({event(Kind::attach, "2026-11-28T01:00", "a"), chained}, kVf, at("2026-11-28T02:00"));
  ASSERT_TRUE(holding.holder);
  EXPECT_EQ(holding.holder->plugin, "sriov");
}

}  // namespace
}  // namespace barewire::manager
