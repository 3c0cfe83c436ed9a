// SPDX-License-Identifier: Apache-2.0
#include "device-manager/inventory/preferred.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace barewire::inventory {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// "a0" is VF 0 of PF a.
Device device(const std::string& pf, int number, int node = 0, const std::string& root = "pci0000:00") {
  Device result;
  result.id = pf + std::to_string(number);
  result.pf = pf;
  result.number = number;
  result.numa_node = node;
  result.pcie_root = root;
  return result;
}

const std::vector<Device> kTwoPfs = {device("a", 0), device("a", 1), device("a", 2), device("b", 0), device("b", 1)};

TEST(Prefer, PackFillsThePfWithJustEnough) {
  EXPECT_THAT(prefer(Policy::pack, kTwoPfs, {}, 2), ElementsAre("b0", "b1"));
  EXPECT_THAT(prefer(Policy::pack, kTwoPfs, {}, 3), ElementsAre("a0", "a1", "a2"));
  EXPECT_THAT(prefer(Policy::pack, kTwoPfs, {"a1"}, 2), ElementsAre("a1", "a0"));
}

TEST(Prefer, SpreadTakesOfThePfsInTurn) {
  EXPECT_THAT(prefer(Policy::spread, kTwoPfs, {}, 4), ElementsAre("a0", "b0", "a1", "b1"));
}

TEST(Prefer, ABondGetsTwoPfs) {
  EXPECT_THAT(prefer(Policy::distinct_pf, kTwoPfs, {"a0"}, 2), ElementsAre("a0", "b0"));
  const std::vector<Device> far = {device("a", 0), device("a", 1), device("b", 0, 1, "pci0000:80")};
  EXPECT_THAT(prefer(Policy::distinct_pf, far, {}, 2), ElementsAre("a0", "b0"));
}

TEST(Prefer, TheNodeAndRootOfWhatIsChosenComeFirst) {
  const std::vector<Device> devices = {device("a", 0, 0), device("b", 0, 1, "pci0000:80"),
                                       device("c", 0, 1, "pci0000:c0"), device("c", 1, 1, "pci0000:c0")};
  EXPECT_THAT(prefer(Policy::pack, devices, {"b0"}, 2), ElementsAre("b0", "c0"));
  EXPECT_THAT(prefer(Policy::spread, devices, {"c0"}, 2), ElementsAre("c0", "c1"));
  EXPECT_THAT(prefer(Policy::pack, devices, {}, 3), ElementsAre("c0", "c1", "b0"));
}

TEST(Prefer, WhatIsNotThereIsNotInvented) {
  EXPECT_THAT(prefer(Policy::pack, {}, {}, 2), IsEmpty());
  EXPECT_THAT(prefer(Policy::pack, kTwoPfs, {"gone"}, 1), ElementsAre("gone"));
  EXPECT_THAT(prefer(Policy::pack, {device("a", 0)}, {}, 3), ElementsAre("a0"));
}

}  // namespace
}  // namespace barewire::inventory
