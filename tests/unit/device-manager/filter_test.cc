// SPDX-License-Identifier: Apache-2.0
#include "device-manager/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/device-manager/sample.h"

namespace barewire::manager {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::uint32_t> ids(const Filter& filter) {
  std::vector<std::uint32_t> result;
  for (const PfEntry& pf : apply(filter, sample::snapshot()).pfs) {
    for (const VfEntry& vf : pf.vfs) result.push_back(vf.vf.id);
  }
  return result;
}

TEST(Filter, AnEmptyOneKeepsEverything) {
  EXPECT_THAT(ids({}), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(apply({}, sample::snapshot()).others, SizeIs(1));
}

TEST(Filter, ByStateKeepsAnyOfThoseGiven) {
  EXPECT_THAT(ids({.states = {VfState::free, VfState::drifted}}), ElementsAre(0, 2));
}

TEST(Filter, ByPodTakesANameWithAndWithoutItsNamespace) {
  EXPECT_THAT(ids({.pods = {"web-0"}}), ElementsAre(1));
  EXPECT_THAT(ids({.pods = {"default/web-0"}}), ElementsAre(1));
  EXPECT_THAT(ids({.pods = {"other/web-0"}}), IsEmpty());
}

TEST(Filter, ByContainerTakesTheBeginningOfItsId) {
  EXPECT_THAT(ids({.containers = {"77aa"}}), ElementsAre(2));
  EXPECT_THAT(ids({.containers = {"aa"}}), IsEmpty());
}

TEST(Filter, WhatIsGivenMustAllHold) {
  EXPECT_THAT(ids({.networks = {"blue", "red"}}), ElementsAre(1, 2));
  EXPECT_THAT(ids({.states = {VfState::drifted}, .networks = {"blue", "red"}}), ElementsAre(2));
  EXPECT_THAT(ids({.states = {VfState::free}, .networks = {"blue"}}), IsEmpty());
}

TEST(Filter, ByPfTakesNameAlternativeNameAndPciAddress) {
  for (const char* name : {"ens1f0", "uplink0", "0000:01:00.0", "01:00.0"})
    EXPECT_THAT(ids({.pfs = {name}}), SizeIs(5));
  EXPECT_THAT(ids({.pfs = {"ens1f1"}}), IsEmpty());
  EXPECT_THAT(apply({.pfs = {"ens1f0"}}, sample::snapshot()).problems, SizeIs(sample::snapshot().problems.size()));
  EXPECT_THAT(apply({.pfs = {"ens1f0", "ens1f1"}}, sample::snapshot()).problems,
              Contains("no PF of this node is called ens1f1"));
}

TEST(Filter, APfGoesWithItsLastVfOnlyWhenVfsWereAskedFor) {
  Snapshot empty = sample::snapshot();
  empty.pfs[0].vfs.clear();
  EXPECT_THAT(apply({.pfs = {"ens1f0"}}, empty).pfs, SizeIs(1));
  EXPECT_THAT(apply({.states = {VfState::free}}, empty).pfs, IsEmpty());
}

TEST(Filter, CountsOfThePfStayThoseOfTheWholePf) {
  const Snapshot narrowed = apply({.states = {VfState::in_pod}}, sample::snapshot());
  EXPECT_EQ(narrowed.pfs.at(0).enabled_vfs, 5U);
  EXPECT_EQ(narrowed.pfs.at(0).free_vfs, 1U);
}

TEST(Filter, AttachmentsWithoutAVfMatchByHolderAndNeverByDevice) {
  EXPECT_THAT(apply({.pods = {"db-0"}}, sample::snapshot()).others, SizeIs(1));
  EXPECT_THAT(apply({.pods = {"web-0"}}, sample::snapshot()).others, IsEmpty());
  EXPECT_THAT(apply({.pfs = {"ens1f0"}}, sample::snapshot()).others, IsEmpty());
}

TEST(VfState, HasAWordAndAKeyThatReadsBack) {
  for (const VfState state : {VfState::free, VfState::allocated, VfState::in_pod, VfState::used_elsewhere,
                              VfState::drifted, VfState::unbound}) {
    EXPECT_EQ(parse_vf_state(key_of(state)), state);
  }
  EXPECT_EQ(key_of(VfState::used_elsewhere), "in_use_elsewhere");
  EXPECT_EQ(parse_vf_state("in pod"), std::nullopt);
}

}  // namespace
}  // namespace barewire::manager
