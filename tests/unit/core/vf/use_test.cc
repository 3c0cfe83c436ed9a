// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/state/allocation.h"
#include "core/vf/inventory.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::vf {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class UseOf : public ::testing::Test {
 protected:
  static Vf vf_with_driver(const std::string& driver) {
    Vf vf;
    vf.pci.address = "0000:01:10.0";
    vf.pci.driver = driver;
    return vf;
  }

  UseFinding find(const Vf& vf) { return find_use(vf, store_, socket_, foreign()); }

  ForeignState foreign() const {
    return {directory_.path() + "/sriov", directory_.path() + "/vfio", directory_.path() + "/allocations"};
  }

  state::Attachment record(const std::string& container) {
    state::Attachment attachment;
    attachment.id = {"mynet", container, "net1", "sriov"};
    attachment.since = "2026-01-01T00:00:00Z";
    return attachment;
  }

  test::PrivateDirectory directory_;
  state::Store store_{directory_.path() + "/run"};
  kernel::NlSocket socket_;
};

TEST_F(UseOf, AVfOnVfioThatNoOneClaimedIsFree) {
  const UseFinding finding = find(vf_with_driver("vfio-pci"));
  EXPECT_EQ(finding.use, UseOfVf::free);
  EXPECT_THAT(finding.why, IsEmpty());
}

TEST_F(UseOf, AVfWithoutADriverIsUnbound) {
  EXPECT_EQ(find(vf_with_driver("")).use, UseOfVf::unbound);
}

TEST_F(UseOf, AVfWhoseNetdevIsNotHereIsUsedElsewhere) {
  const UseFinding finding = find(vf_with_driver("igbvf"));
  EXPECT_EQ(finding.use, UseOfVf::used_elsewhere);
  EXPECT_THAT(finding.why, HasSubstr("another netns"));
}

TEST_F(UseOf, AVfOfARecordIsHeldAndSaysByWhom) {
  const auto attachment = record("pod-a");
  store_.save(attachment);
  ASSERT_TRUE(store_.claim("0000:01:10.0", attachment.id));
  const UseFinding finding = find(vf_with_driver("vfio-pci"));
  EXPECT_EQ(finding.use, UseOfVf::held);
  ASSERT_TRUE(finding.holder);
  EXPECT_EQ(*finding.holder, attachment.id);
  EXPECT_EQ(use_of(vf_with_driver("vfio-pci"), store_, socket_, foreign()), UseOfVf::held);
}

TEST_F(UseOf, AClaimWithoutARecordHoldsNothing) {
  ASSERT_TRUE(store_.claim("0000:01:10.0", record("pod-a").id));
  EXPECT_EQ(find(vf_with_driver("vfio-pci")).use, UseOfVf::free);
}

TEST_F(UseOf, AVfWhoseRecordIsDamagedIsNeverFree) {
  const auto attachment = record("pod-a");
  store_.save(attachment);
  ASSERT_TRUE(store_.claim("0000:01:10.0", attachment.id));
  directory_.write("run/attachments/mynet/pod-a@net1.sriov.json", "{");
  const UseFinding finding = find(vf_with_driver("vfio-pci"));
  EXPECT_EQ(finding.use, UseOfVf::held);
  EXPECT_FALSE(finding.holder);
  EXPECT_THAT(finding.why, HasSubstr("pod-a@net1.sriov.json"));
}

TEST_F(UseOf, APromisedVfIsAllocatedUntilAnAttachmentHoldsIt) {
  const state::Allocations allocations(directory_.path() + "/allocations");
  allocations.save({.device = "0000:01:10.0",
                    .by = state::Allocation::kDevicePlugin,
                    .owner = "example.com/vf",
                    .pod = {"default", "web-0", "uid-1"}});
  const UseFinding finding = find(vf_with_driver("vfio-pci"));
  EXPECT_EQ(finding.use, UseOfVf::allocated);
  EXPECT_EQ(finding.why, "resource example.com/vf promises it to pod default/web-0");
  const auto attachment = record("pod-a");
  store_.save(attachment);
  ASSERT_TRUE(store_.claim("0000:01:10.0", attachment.id));
  EXPECT_EQ(find(vf_with_driver("vfio-pci")).use, UseOfVf::held);
  store_.release("0000:01:10.0", attachment.id);
  allocations.remove("0000:01:10.0");
  EXPECT_EQ(find(vf_with_driver("vfio-pci")).use, UseOfVf::free);
}

TEST_F(UseOf, AVfWhosePromiseCannotBeReadIsNeverFree) {
  const std::string path = directory_.write("allocations/0000:01:10.0.json", "{");
  const UseFinding finding = find(vf_with_driver("vfio-pci"));
  EXPECT_EQ(finding.use, UseOfVf::allocated);
  EXPECT_THAT(finding.why, HasSubstr(path));
}

TEST_F(UseOf, APeersRecordCountsWhileItsNetnsLives) {
  directory_.write("sriov/pci/0000:01:10.0", "/proc/self/ns/net");
  const UseFinding finding = find(vf_with_driver("vfio-pci"));
  EXPECT_EQ(finding.use, UseOfVf::used_elsewhere);
  EXPECT_THAT(finding.why, HasSubstr("/proc/self/ns/net"));
  directory_.write("sriov/pci/0000:01:10.0", directory_.path() + "/no-such-netns");
  EXPECT_EQ(find(vf_with_driver("vfio-pci")).use, UseOfVf::free);
}

}  // namespace
}  // namespace barewire::vf
