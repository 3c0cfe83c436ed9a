// SPDX-License-Identifier: Apache-2.0
/// What of a port is in hardware, in numbers and words, and how that changed.
#include <gmock/gmock.h>

#include <boost/json/serialize.hpp>

#include "device-manager/offload_history.h"

namespace barewire::manager {
namespace {

using ::testing::HasSubstr;

TEST(PortOffload, HasAShareAndAReason) {
  EXPECT_EQ(share_of({.representor = true, .flows = 0, .in_hardware = 0}), std::nullopt);
  EXPECT_EQ(share_of({.representor = true, .flows = 4, .in_hardware = 4}), 100U);
  EXPECT_EQ(share_of({.representor = true, .flows = 1000, .in_hardware = 999}), 99U) << "100 means all";
  EXPECT_EQ(why_in_software({.representor = true, .flows = 4, .in_hardware = 4}), "");
  EXPECT_EQ(why_in_software({.representor = true, .flows = 0, .in_hardware = 0}), "");
  EXPECT_THAT(why_in_software({.representor = false, .flows = 4, .in_hardware = 0}),
              HasSubstr("no port of a switching"));
  EXPECT_THAT(why_in_software({.representor = true, .flows = 4, .in_hardware = 1}), HasSubstr("the driver refused"));
  EXPECT_THAT(why_in_software({.representor = true, .flows = 4, .in_hardware = 1, .skipped = 3}), HasSubstr("skip_hw"));
}

TEST(SwitchFlows, HaveAShareThatNeverReachesTheTrafficClassLayer) {
  EXPECT_EQ(SwitchFlows{}.beside_tc(), std::nullopt);
  EXPECT_EQ((SwitchFlows{.in_hardware = 3, .in_tc = 1, .in_datapath = 0}.beside_tc()), 0U);
  EXPECT_EQ((SwitchFlows{.in_hardware = 900, .in_tc = 99, .in_datapath = 1}.beside_tc()), 1U) << "0 means none";
  EXPECT_EQ((SwitchFlows{.in_hardware = 0, .in_tc = 0, .in_datapath = 7}.beside_tc()), 100U);
}

SwitchSnapshot with_share(std::size_t in_hardware, const std::string& name = "rep0") {
  PortEntry port;
  port.name = name;
  port.offload = PortOffload{.representor = true, .flows = 10, .in_hardware = in_hardware};
  SwitchSnapshot snapshot;
  snapshot.bridges.push_back({.name = "br0", .datapath = "system", .ports = {port}, .mirrors = {}});
  return snapshot;
}

TEST(OffloadHistory, KeepsWhatChangedForAWhile) {
  OffloadHistory history;
  OffloadHistory::Time now{std::chrono::seconds(1'764'295'200)};
  history.note(with_share(10), now);
  history.note(with_share(10), now + std::chrono::seconds(10));
  history.note(with_share(5), now + std::chrono::seconds(20));
  EXPECT_EQ(boost::json::serialize(history.to_json()),
            R"({"rep0":[{"at":"2025-11-28T02:00:00Z","share":100,"why":null},)"
            R"({"at":"2025-11-28T02:00:20Z","share":50,"why":"the driver refused the others"}]})");
  // How it was when the time that is kept began.
  history.note(with_share(6), now + std::chrono::minutes(8));
  history.note(with_share(6), now + std::chrono::minutes(11));
  EXPECT_EQ(history.to_json().at("rep0").as_array().size(), 2U);
  for (std::size_t i = 0; i < 200; ++i) history.note(with_share(i % 10), now + std::chrono::minutes(11));
  EXPECT_LE(history.to_json().at("rep0").as_array().size(), OffloadHistory::kMostChanges);
  history.note(with_share(1, "rep1"), now + std::chrono::minutes(12));
  EXPECT_FALSE(history.to_json().contains("rep0")) << "a port that is gone";
}

}  // namespace
}  // namespace barewire::manager
