// SPDX-License-Identifier: Apache-2.0
#include "device-manager/inventory/allocate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/fake_sysfs.h"

namespace barewire::inventory {
namespace {

using state::Allocation;
using ::testing::HasSubstr;

constexpr const char* kVf = "0000:01:10.0";

class Allocate : public ::testing::Test {
 protected:
  Allocate() {
    sysfs_.add({.address = "0000:01:00.0", .driver = "igb", .netdev = "", .total_vfs = 7});
    sysfs_.add({.address = kVf, .driver = "vfio-pci", .netdev = ""});
    sysfs_.join("0000:01:00.0", 0, kVf);
  }
  Node node() const {
    Node node;
    node.sysfs = sysfs_.root();
    node.run_dir = directory_.path() + "/run";
    node.cni_state_dir = directory_.path() + "/cni";
    return node;
  }
  static Allocation wanted(const std::string& by, const std::string& owner) {
    return {.device = kVf, .by = by, .owner = owner, .since = "2026-01-01T00:00:00Z"};
  }
  static state::Attachment record() {
    state::Attachment attachment;
    attachment.id = {"mynet", "pod-a", "net1", "sriov"};
    return attachment;
  }
  std::string refusal(const Allocation& allocation) {
    try {
      allocate(host_, allocation);
    } catch (const Error& error) {
      EXPECT_TRUE(error.is(Error::Code::held) || error.is(Error::Code::device)) << error.what();
      return error.what();
    }
    return "";
  }

  test::FakeSysfs sysfs_;
  test::PrivateDirectory directory_;
  vf::Host host_{node()};
};

TEST_F(Allocate, ADevicePromisedToOneIsRefusedToEveryOther) {
  const auto first = wanted(Allocation::kDevicePlugin, "example.com/a");
  EXPECT_EQ(refusal(first), "");
  for (const Allocation& other : {wanted(Allocation::kDevicePlugin, "example.com/b"),
                                  wanted(Allocation::kClaim, "uid-1"), wanted(Allocation::kAdmin, "vm")})
    EXPECT_THAT(refusal(other), HasSubstr("resource example.com/a promises it"));
  EXPECT_EQ(refusal(first), "");
  EXPECT_EQ(host_.allocations.find(kVf)->owner, "example.com/a");
}

TEST_F(Allocate, ADeviceThatAnAttachmentHoldsIsRefusedUnlessItWasPromisedBefore) {
  const auto attachment = record();
  host_.store.save(attachment);
  ASSERT_TRUE(host_.store.claim(kVf, attachment.id));
  const auto mine = wanted(Allocation::kDevicePlugin, "example.com/a");
  EXPECT_THAT(refusal(mine), HasSubstr("attachment mynet/pod-a/net1 holds it"));
  host_.store.release(kVf, attachment.id);
  EXPECT_EQ(refusal(mine), "");
  ASSERT_TRUE(host_.store.claim(kVf, attachment.id));
  EXPECT_EQ(refusal(mine), "");  // kubelet gives it to the next pod while the one before is torn down
}

TEST_F(Allocate, ReleaseLeavesAnothersPromise) {
  allocate(host_, wanted(Allocation::kClaim, "uid-1"));
  EXPECT_FALSE(release(host_, kVf, Allocation::kClaim, "uid-2"));
  EXPECT_FALSE(release(host_, kVf, Allocation::kDevicePlugin, "uid-1"));
  EXPECT_TRUE(release(host_, kVf, Allocation::kClaim, "uid-1"));
  EXPECT_FALSE(release(host_, kVf, Allocation::kClaim, "uid-1"));
}

TEST_F(Allocate, AnUnknownDeviceAndADamagedRecordAreRefused) {
  Allocation absent = wanted(Allocation::kAdmin, "");
  absent.device = "0000:09:00.0";
  EXPECT_THAT(refusal(absent), HasSubstr("not a device of this node"));
  directory_.write("cni/barewire/allocations/0000:01:10.0.json", R"({"device":"0000:01:10.0"})");
  EXPECT_THROW(allocate(host_, wanted(Allocation::kAdmin, "")), Error);
}

TEST_F(Allocate, APodsNameIsAddedToThePromiseThatStandsAlone) {
  Allocation known = wanted(Allocation::kDevicePlugin, "example.com/a");
  known.pod = {"default", "web-0", ""};
  EXPECT_FALSE(name_pod(host_, known));
  allocate(host_, wanted(Allocation::kDevicePlugin, "example.com/a"));
  EXPECT_TRUE(name_pod(host_, known));
  EXPECT_EQ(host_.allocations.find(kVf)->text(), "resource example.com/a promises it to pod default/web-0");
  EXPECT_EQ(host_.allocations.find(kVf)->since, "2026-01-01T00:00:00Z");
}

TEST_F(Allocate, OfManyAtOnceExactlyOneGetsIt) {
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      vf::Host host(node());
      try {
        allocate(host, wanted(Allocation::kClaim, std::to_string(i)));
        ++won;
      } catch (const Error& error) {
        EXPECT_TRUE(error.is(Error::Code::held)) << error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
}

}  // namespace
}  // namespace barewire::inventory
