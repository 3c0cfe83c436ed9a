// SPDX-License-Identifier: Apache-2.0
/// Devices whose hardware says that something is wrong, and that it is well again.
#include "device-manager/inventory/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sysfs.h"

namespace barewire::inventory {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kPf = "0000:01:00.0";
constexpr const char* kVf = "0000:01:10.0";

class Faults : public ::testing::Test {
 protected:
  /// The clause of the VF, "" when it is well.
  std::string at(FaultWatch::Time::duration after, const std::vector<kernel::DevlinkFault>& reporters = {}) {
    watch_.look(kernel::Sysfs(sysfs_.root()), {vf_}, promised_, reporters, begin_ + after);
    return watch_.find(vf_).value_or("");
  }
  void count(const std::string& address, const std::string& file, const std::string& text) {
    sysfs_.tree().write("bus/pci/devices/" + address + "/" + file, text);
  }
  test::FakeSysfs sysfs_;
  FaultWatch watch_;
  FaultWatch::Time begin_ = std::chrono::steady_clock::now();
  std::set<std::string> promised_;
  Device vf_{.id = kVf, .pf = kPf, .iommu_group = "7"};
};

TEST_F(Faults, ErrorsThatWereThereAtTheBeginningCountNoMore) {
  count(kPf, "aer_dev_fatal", "Undefined 0\nDLP 2\nTOTAL_ERR_FATAL 2\n");
  EXPECT_EQ(at(0s), "");
  EXPECT_EQ(at(10s), "");
}

TEST_F(Faults, ANewErrorCountsForFiveMinutes) {
  count(kPf, "aer_dev_nonfatal", "CmpltTO 0\nTOTAL_ERR_NONFATAL 0\n");
  EXPECT_EQ(at(0s), "");
  count(kPf, "aer_dev_nonfatal", "CmpltTO 1\nTOTAL_ERR_NONFATAL 1\n");
  EXPECT_EQ(at(10s), "its PF had an uncorrected PCIe error");
  EXPECT_NE(at(10s + 299s), "");
  EXPECT_EQ(at(10s + 300s), "");
  count(kVf, "aer_dev_fatal", "TOTAL_ERR_FATAL 1\n");
  EXPECT_EQ(at(400s), "it had an uncorrected PCIe error");
}

TEST_F(Faults, AFileThatSaysNothingIsNoFault) {
  count(kPf, "aer_dev_fatal", "garbage");
  EXPECT_EQ(at(0s), "");
  count(kPf, "aer_dev_fatal", "TOTAL_ERR_FATAL x\n");
  EXPECT_EQ(at(1s), "");
}

TEST_F(Faults, AReporterInErrorCountsUntilItHasRecovered) {
  EXPECT_THAT(at(0s, {{{"pci", kPf}, "fw_fatal"}}), HasSubstr("health reporter \"fw_fatal\""));
  EXPECT_EQ(at(1s, {{{"netdevsim", kPf}, "dummy"}, {{"pci", "0000:02:00.0"}, "fw"}}), "") << "of other devices";
}

TEST_F(Faults, AGroupThatChangesUnderAContainerIsAFaultUntilTheDeviceIsGivenBack) {
  EXPECT_EQ(at(0s), "");
  vf_.iommu_group = "8";
  EXPECT_EQ(at(1s), "") << "nobody has it";
  promised_ = {kVf};
  EXPECT_EQ(at(2s), "");
  vf_.iommu_group = "9";
  EXPECT_EQ(at(3s), "its IOMMU group is 9 now, its container has the node of 8");
  vf_.iommu_group.reset();
  EXPECT_THAT(at(4s), HasSubstr("is none now"));
  promised_.clear();
  EXPECT_EQ(at(5s), "");
}

}  // namespace
}  // namespace barewire::inventory
