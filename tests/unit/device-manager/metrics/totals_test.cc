// SPDX-License-Identifier: Apache-2.0
#include "device-manager/metrics/totals.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "core/state/lock.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::metrics {
namespace {

using journal::Event;
using journal::Kind;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Event call(const char* plugin, int code, std::chrono::microseconds took) {
  return {.kind = code == 0 ? Kind::attach : Kind::refusal,
          .cause = "runtime",
          .plugin = plugin,
          .command = "ADD",
          .took = took,
          .code = code};
}

TEST(Totals, CountCallsByPluginCommandAndCode) {
  Totals totals;
  add(totals, {.events = {call("sriov", 0, std::chrono::milliseconds(5)),
                          call("sriov", 0, std::chrono::milliseconds(6)),
                          call("sriov", 102, std::chrono::minutes(1)),
                          {.kind = Kind::reap, .cause = "barewired"}},
               .damaged = 2,
               .problems = {}});
  EXPECT_THAT(totals.calls, SizeIs(2));
  const Durations& good = totals.calls.at({"sriov", "ADD", "0"});
  EXPECT_EQ(good.counts[0], 1U) << "a bound belongs to its bucket";
  EXPECT_EQ(good.counts[1], 1U);
  EXPECT_NEAR(good.sum, 0.011, 1e-9);
  EXPECT_EQ(totals.calls.at({"sriov", "ADD", "102"}).counts.back(), 1U);
  EXPECT_EQ(totals.events.at("attach"), 2U);
  EXPECT_EQ(totals.events.at("reap"), 1U);
  EXPECT_EQ(totals.damaged_lines, 2U);
}

TEST(Totals, CountCallsOfKubeletByThemselves) {
  Totals totals;
  add(totals, {.events = {{.kind = Kind::rpc,
                           .cause = "kubelet",
                           .command = "Allocate",
                           .took = std::chrono::milliseconds(1),
                           .code = 102}},
               .damaged = 0,
               .problems = {}});
  EXPECT_THAT(totals.calls, IsEmpty());
  EXPECT_EQ(totals.rpcs.at({"", "Allocate", "102"}).counts[0], 1U);
  EXPECT_EQ(parse_totals(to_text(totals)).rpcs.size(), 1U);
  std::string earlier = to_text(totals);
  earlier.replace(earlier.find(",\"rpcs\""), std::string::npos, "}\n");
  EXPECT_EQ(parse_totals(earlier).events.at("rpc"), 1U) << "what an earlier version has kept";
}

TEST(Totals, AreBoundedWhateverCodesOthersHandOn) {
  Totals totals;
  journal::History history;
  for (int code = 0; code < 5000; ++code) history.events.push_back(call("sriov", code, std::chrono::seconds(1)));
  add(totals, history);
  EXPECT_LE(totals.calls.size(), kMostCallKeys + 1);
  EXPECT_EQ(totals.calls.at({"other", "other", "other"}).sum, 5000 - kMostCallKeys);
}

TEST(Totals, AreReadAsTheyWereWritten) {
  Totals totals{.position = {7, 1234}, .damaged_lines = 3};
  add(totals, {.events = {call("a \"b\"", 5, std::chrono::microseconds(1500))}, .damaged = 0, .problems = {}});
  EXPECT_EQ(to_text(parse_totals(to_text(totals))), to_text(totals));
  for (const char* damaged : {"", "{}", "[]", R"({"format":1,"inode":-1})", R"({"format":2})",
                              R"({"format":1,"inode":1,"offset":1,"damagedLines":0,"events":{},"calls":[{"plugin":"a",
                                  "command":"ADD","code":"0","counts":[1],"sumMicroseconds":0}]})"})
    EXPECT_EQ(to_text(parse_totals(damaged)), to_text(Totals{})) << damaged;
}

class KeptTotals : public ::testing::Test {
 protected:
  KeptTotals() { journal::record_in(directory()); }
  ~KeptTotals() override { journal::record_in(""); }
  std::string directory() const { return directory_.path() + "/journal"; }
  std::uint64_t count() {
    problems_.clear();
    const Totals totals = update_totals(directory(), problems_);
    std::uint64_t sum = 0;
    for (const auto& [kind, events] : totals.events) sum += events;
    return sum;
  }
  test::PrivateDirectory directory_;
  std::vector<std::string> problems_;
};

TEST_F(KeptTotals, WithoutAJournalThereAreNoneAndNothingIsMade) {
  EXPECT_EQ(count(), 0U);
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(directory()));
}

TEST_F(KeptTotals, NeverGoDownWhenTheJournalIsTurnedOver) {
  const std::string filler(900, 'x');
  const Event event{.network = filler, .pod = filler, .what = filler, .hint = filler};
  std::uint64_t written = 0;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < journal::kFullSize / 3700; ++i, ++written) journal::record(event);
    EXPECT_EQ(count(), written);
    EXPECT_EQ(count(), written);
  }
  EXPECT_LT(journal::read(directory()).events.size(), written);
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(KeptTotals, StayWhatTheyWereWhileAnotherCounts) {
  journal::record({.network = "a"});
  EXPECT_EQ(count(), 1U);
  const auto other =
      state::FileLock::acquire(directory() + "/totals.lock", "the totals of the journal", std::chrono::seconds(1));
  journal::record({.network = "a"});
  EXPECT_EQ(count(), 1U) << "a counter that goes back reads as a restart";
  EXPECT_EQ(problems_.size(), 1U);
}

}  // namespace
}  // namespace barewire::metrics
