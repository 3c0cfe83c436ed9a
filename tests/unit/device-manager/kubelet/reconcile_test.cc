// SPDX-License-Identifier: Apache-2.0
#include "device-manager/kubelet/reconcile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace barewire::kubelet {
namespace {

using state::Allocation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

class ReconcilerTest : public ::testing::Test {
 protected:
  Reconciler::Plan plan(const std::vector<HeldDevice>& held, const std::vector<Allocation>& allocations,
                        std::chrono::milliseconds at) {
    return reconciler_.plan(
        held, allocations, {"a/vf"}, [&](const std::string& device) { return device == attached_; }, begin_ + at);
  }
  static HeldDevice given(const std::string& device, const std::string& resource = "a/vf") {
    return {resource, device, "default", "web-0", "main"};
  }
  static Allocation promised(const std::string& device, const std::string& by = Allocation::kDevicePlugin) {
    return {.device = device, .by = by, .owner = "a/vf"};
  }

  Reconciler reconciler_{10s};
  Reconciler::Time begin_ = std::chrono::steady_clock::now();
  std::string attached_;
};

TEST_F(ReconcilerTest, WhatKubeletGaveBeforeUsIsImported) {
  const auto result = plan({given("1"), given("2", "b/vf")}, {}, 0s);
  ASSERT_THAT(result.import, SizeIs(1));
  EXPECT_EQ(result.import[0].device, "1");
  EXPECT_EQ(result.import[0].pod.name, "web-0");
  EXPECT_EQ(result.import[0].container, "main");
}

TEST_F(ReconcilerTest, APromiseLearnsItsPodOnce) {
  Allocation promise = promised("1");
  EXPECT_THAT(plan({given("1")}, {promise}, 0s).name, SizeIs(1));
  promise.pod = {"default", "web-0", "uid"};
  promise.container = "main";
  const auto result = plan({given("1")}, {promise}, 1s);
  EXPECT_THAT(result.name, IsEmpty());
  EXPECT_THAT(result.import, IsEmpty());
  EXPECT_THAT(result.release, IsEmpty());
}

TEST_F(ReconcilerTest, WhatNobodyHasIsReleasedAfterTheGraceAndNotBefore) {
  EXPECT_THAT(plan({}, {promised("1")}, 0s).release, IsEmpty());
  EXPECT_THAT(plan({}, {promised("1")}, 9s).release, IsEmpty());
  EXPECT_THAT(plan({given("1")}, {promised("1")}, 9500ms).release, IsEmpty());  // the count begins anew
  EXPECT_THAT(plan({}, {promised("1")}, 15s).release, IsEmpty());
  EXPECT_THAT(plan({}, {promised("1")}, 25s).release, SizeIs(1));
}

TEST_F(ReconcilerTest, AnAttachmentKeepsThePromiseAlive) {
  attached_ = "1";
  plan({}, {promised("1")}, 0s);
  EXPECT_THAT(plan({}, {promised("1")}, 60s).release, IsEmpty());
}

TEST_F(ReconcilerTest, PromisesOfOthersAreLeftAlone) {
  for (const char* by : {Allocation::kClaim, Allocation::kAdmin}) {
    plan({}, {promised("1", by)}, 0s);
    EXPECT_THAT(plan({}, {promised("1", by)}, 60s).release, IsEmpty());
    EXPECT_THAT(plan({given("1")}, {promised("1", by)}, 61s).import, IsEmpty());
  }
}

TEST_F(ReconcilerTest, ADeviceThatLeftTheNodeStaysInTheListOfItsResource) {
  Allocation other = promised("4");
  other.owner = "b/vf";
  const std::map<std::string, Allocation> promises{
      {"1", promised("1")}, {"2", promised("2")}, {"3", promised("3", Allocation::kAdmin)}, {"4", other}};
  std::vector<ListedDevice> listed{{.id = "1"}};
  EXPECT_THAT(append_lost(listed, promises, "a/vf", {{.id = "1"}}), ElementsAre("2"));
  EXPECT_THAT(listed, ElementsAre(ListedDevice{.id = "1"}, ListedDevice{.id = "2", .healthy = false}));
}

}  // namespace
}  // namespace barewire::kubelet
