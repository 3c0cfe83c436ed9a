// SPDX-License-Identifier: Apache-2.0
/// Whose word on a VF's counters is taken. tests/lab/device-manager has a driver that counts nothing on the PF.
#include "device-manager/vf_counters.h"

#include <gmock/gmock.h>

namespace barewire::manager {
namespace {

using kernel::VfStats;
using ::testing::SizeIs;

TEST(VfCounters, AreThePfsWhereItsDriverCounts) {
  const auto chosen = choose_counters({{.id = 0, .rx_bytes = 5}, {.id = 1, .rx_bytes = 0}}, {{.id = 1, .rx_bytes = 7}});
  ASSERT_THAT(chosen, SizeIs(2));
  EXPECT_EQ(chosen[0].rx_bytes, 5U);
  EXPECT_EQ(chosen[1].rx_bytes, 0U);
}

TEST(VfCounters, AreTheVfsOwnWhereThePfSaysZeroOfAll) {
  const std::vector<VfStats> zeros{{.id = 0, .rx_bytes = 0, .tx_bytes = 0, .broadcast = 0, .link_state = 2},
                                   {.id = 1, .rx_bytes = 0, .tx_bytes = 0, .broadcast = 0}};
  EXPECT_FALSE(has_counted(zeros));
  const auto chosen = choose_counters(zeros, {{.id = 1, .rx_bytes = 7, .tx_bytes = 0}});
  EXPECT_EQ(chosen[1].rx_bytes, 7U);
  EXPECT_EQ(chosen[1].tx_bytes, 0U);
  EXPECT_EQ(chosen[1].broadcast, std::nullopt);
  EXPECT_EQ(chosen[0].link_state, 2U) << "which the PF knows all the same";
  EXPECT_EQ(chosen[0].rx_bytes, std::nullopt) << "no zero for what nobody counts";
}

TEST(VfCounters, AreZeroWhereNothingHasFlowed) {
  const auto chosen = choose_counters({{.id = 0, .rx_bytes = 0}}, {{.id = 0, .rx_bytes = 0}});
  EXPECT_EQ(chosen[0].rx_bytes, 0U);
  EXPECT_TRUE(choose_counters({}, {}).empty());
}

}  // namespace
}  // namespace barewire::manager
