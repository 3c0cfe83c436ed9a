// SPDX-License-Identifier: Apache-2.0
/// What needs no support of the NIC, because it is so already.
#include "sriov-plugin/preflight.h"

#include <gtest/gtest.h>

namespace barewire::sriov {
namespace {

vf::Settings usual() {
  vf::Settings settings;
  settings.trust = false;
  settings.link_state = kernel::VfLinkState::automatic;
  settings.spoof_check = true;
  return settings;
}

TEST(WithoutWhatIs, LeavesNothingToAskOfANicThatTellsNothing) {
  vf::Settings settings = usual();
  settings.spoof_check.reset();
  EXPECT_TRUE(requested_attributes(without_what_is(settings, kernel::VfInfo{})).empty());
}

TEST(WithoutWhatIs, LeavesOutWhatTheVfReportsAlready) {
  kernel::VfInfo info;
  info.trust = false;
  info.link_state = kernel::VfLinkState::automatic;
  info.spoof_check = true;
  EXPECT_TRUE(requested_attributes(without_what_is(usual(), info)).empty());
}

TEST(WithoutWhatIs, KeepsWhatDiffersOrIsNotKnown) {
  kernel::VfInfo info;
  info.trust = true;
  info.link_state = kernel::VfLinkState::disable;
  EXPECT_EQ(3U, requested_attributes(without_what_is(usual(), info)).size());
  EXPECT_EQ(3U, requested_attributes(without_what_is(usual(), std::nullopt)).size()) << "nobody was asked";
}

}  // namespace
}  // namespace barewire::sriov
