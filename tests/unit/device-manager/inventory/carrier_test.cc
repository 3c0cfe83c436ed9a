// SPDX-License-Identifier: Apache-2.0
#include "device-manager/inventory/carrier.h"

#include <gtest/gtest.h>

namespace barewire::inventory {
namespace {

using namespace std::chrono_literals;

class Carrier : public ::testing::Test {
 protected:
  bool lost(bool has_carrier, std::chrono::milliseconds at) { return watch_.is_lost("ens1", has_carrier, begin_ + at); }
  CarrierWatch watch_;
  CarrierWatch::Time begin_ = std::chrono::steady_clock::now();
};

TEST_F(Carrier, CountsAtFirstAsItIs) {
  EXPECT_TRUE(lost(false, 0ms));
  EXPECT_FALSE(watch_.is_lost("ens2", true, begin_));
  EXPECT_FALSE(watch_.is_waiting());
}

TEST_F(Carrier, IsLostOnceItHasBeenGoneForASecondAndBackAfterFive) {
  EXPECT_FALSE(lost(true, 0ms));
  EXPECT_FALSE(lost(false, 10ms));
  EXPECT_TRUE(watch_.is_waiting());
  EXPECT_FALSE(lost(false, 1009ms));
  EXPECT_TRUE(lost(false, 1010ms));
  EXPECT_FALSE(watch_.is_waiting());
  EXPECT_TRUE(lost(true, 2000ms));
  EXPECT_TRUE(lost(true, 6999ms));
  EXPECT_FALSE(lost(true, 7000ms));
}

TEST_F(Carrier, ThatFlapsStaysWhatItWas) {
  EXPECT_FALSE(lost(true, 0ms));
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(lost(false, 100ms + i * 1000ms));
    EXPECT_FALSE(lost(true, 900ms + i * 1000ms));
  }
}

}  // namespace
}  // namespace barewire::inventory
