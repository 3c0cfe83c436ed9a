// SPDX-License-Identifier: Apache-2.0
/// What DPDK needs of a node, and what it said of a device: from a sysfs of the test's own.
#include "device-manager/dpdk/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "core/vf/dpdk_report.h"
#include "device-manager/doctor/doctor.h"
#include "device-manager/dpdk/report_text.h"
#include "device-manager/state/reader.h"
#include "device-manager/state/verify.h"
#include "hw-profiles/loader.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::dpdk {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kPf = "0000:01:00.0";
constexpr const char* kVf = "0000:01:10.0";

class DpdkNode : public ::testing::Test {
 protected:
  DpdkNode() {
    sysfs_.add({.address = kPf, .driver = "igb", .netdev = "pf0", .total_vfs = 7});
    add_vf(kVf, 0);
    node_.sysfs = sysfs_.root();
    node_.run_dir = run_.path();
    node_.cni_state_dir = run_.path();
  }
  void add_vf(const char* address, int id, const std::string& group = "11", std::uint16_t vendor = 0x8086) {
    sysfs_.add({.address = address,
                .driver = "vfio-pci",
                .netdev = "",
                .vendor = vendor,
                .device = 0x10ca,
                .iommu_group = group});
    sysfs_.join(kPf, id, address);
    sysfs_.tree().link("kernel/iommu_groups/11/devices/" + std::string(address), "../../../../bus/pci/devices/x");
  }
  kernel::Sysfs sysfs() const { return kernel::Sysfs(sysfs_.root()); }
  kernel::PciFunction vf() const { return *kernel::find_pci_function(sysfs(), kVf); }
  boost::json::object report(const char* usable, const char* ports = "[]") const {
    return boost::json::parse(fmt::format(
                                  R"({{"format":1,"usable":{},"problem":"no driver of DPDK takes it","ports":{},
       "node":{{"hugePages":{{"total":0}}}},
       "device":{{"pci":"{}","id":"8086:10ca","kernelDriver":"vfio-pci","binding":"{}"}}}})",
                                  usable, ports, kVf, vf::dpdk_binding(sysfs(), kVf)))
        .as_object();
  }
  manager::Findings examine() const {
    manager::Findings findings;
    manager::examine_dpdk(node_, findings);
    return findings;
  }
  static auto says(const std::string& text) { return Contains(Field(&manager::Finding::text, HasSubstr(text))); }

  test::FakeSysfs sysfs_;
  test::PrivateDirectory run_;
  Node node_;
};

TEST_F(DpdkNode, AVfAloneInItsGroupIsFineAndOneWithCompanyIsNot) {
  EXPECT_FALSE(find_iommu_obstacle(sysfs(), vf()));
  add_vf("0000:01:10.2", 1);
  const auto shared = find_iommu_obstacle(sysfs(), vf());
  ASSERT_TRUE(shared);
  EXPECT_THAT(shared->text, HasSubstr("IOMMU group 11 of 0000:01:10.0 has 0000:01:10.2 too"));
  EXPECT_THAT(examine(), says("has 0000:01:10.2 too"));
}

TEST_F(DpdkNode, ABridgeInTheGroupIsNobodysAndNoGroupIsAnIommuThatIsOff) {
  sysfs_.tree().write("bus/pci/devices/0000:00:01.0/class", "0x060400\n");
  sysfs_.tree().link("kernel/iommu_groups/11/devices/0000:00:01.0", "../../../../bus/pci/devices/x");
  EXPECT_THAT(list_group_others(sysfs(), vf()), IsEmpty());
  auto alone = vf();
  alone.iommu_group.reset();
  const auto off = find_iommu_obstacle(sysfs(), alone);
  ASSERT_TRUE(off);
  EXPECT_THAT(off->hint, HasSubstr("intel_iommu=on"));
}

TEST_F(DpdkNode, TheProfileSaysWhichDriverDpdkNeeds) {
  const auto igb = hw::find_profile({0x8086, 0x10c9}, "igb");
  const auto mlx5 = hw::find_profile({0x15b3, 0x101d}, "mlx5_core");
  EXPECT_EQ(driver_for_dpdk(igb), "vfio-pci");
  EXPECT_EQ(driver_for_dpdk(mlx5), "");
  kernel::PciFunction bound = vf();
  EXPECT_EQ(way_of(bound, igb), Way::user_space);
  bound.driver = "igbvf";
  EXPECT_EQ(way_of(bound, igb), Way::none);
  bound.driver = "mlx5_core";
  EXPECT_EQ(way_of(bound, mlx5), Way::bifurcated);
  bound.driver = "";
  EXPECT_EQ(way_of(bound, mlx5), Way::none);
}

TEST_F(DpdkNode, WithoutAnIommuMemoryHasToBeOfHugePages) {
  EXPECT_FALSE(needs_physical_addresses(sysfs(), vf()));
  sysfs_.tree().write("kernel/iommu_groups/11/name", "vfio-noiommu\n");
  EXPECT_TRUE(needs_physical_addresses(sysfs(), vf()));
  auto uio = vf();
  uio.driver = "igb_uio";
  EXPECT_TRUE(needs_physical_addresses(sysfs(), uio));
}

TEST_F(DpdkNode, AReportIsOfOneBindingAlone) {
  EXPECT_FALSE(vf::find_dpdk_report(node_, kVf));
  vf::save_dpdk_report(node_, kVf, report("true", R"([{"driver":"net_x","switch":{"domain":3}}])"));
  const auto kept = vf::find_dpdk_report(node_, kVf);
  ASSERT_TRUE(kept);
  EXPECT_TRUE(kept->usable);
  EXPECT_EQ(kept->driver, "net_x");
  EXPECT_EQ(kept->switch_domain, 3U);
  // The same driver again is another binding: the device was reset in between.
  const std::string device = "bus/pci/devices/" + std::string(kVf);
  sysfs_.tree().link(device + "/new", "../../../../bus/pci/drivers/vfio-pci");
  std::filesystem::rename(sysfs_.root() + "/" + device + "/new", sysfs_.root() + "/" + device + "/driver");
  EXPECT_FALSE(vf::find_dpdk_report(node_, kVf));
}

TEST_F(DpdkNode, ADamagedReportIsNothingKnown) {
  vf::save_dpdk_report(node_, kVf, report("true"));
  ASSERT_TRUE(vf::find_dpdk_report(node_, kVf));
  run_.write("dpdk/" + std::string(kVf) + ".json", "{\"usable\":tr");
  EXPECT_FALSE(vf::find_dpdk_report(node_, kVf));
}

TEST_F(DpdkNode, TheDoctorTellsWhatDpdkSaidAndWhatItWasNotAsked) {
  EXPECT_THAT(examine(), says("DPDK was not asked of VF 0"));
  vf::save_dpdk_report(node_, kVf, report("true"));
  EXPECT_THAT(examine(), says("DPDK drives VF 0"));
  vf::save_dpdk_report(node_, kVf, report("false"));
  const auto findings = examine();
  ASSERT_THAT(findings, says("DPDK cannot drive VF 0: no driver of DPDK takes it"));
  EXPECT_EQ(findings.back().verdict, manager::Verdict::broken);
}

/// What `apply` makes of DPDK's answer, by the declaration; an answer that is not known is no "no".
TEST_F(DpdkNode, ANoOfDpdkIsAWarningOrAFailureAsDeclared) {
  const auto doubts_with = [&](const char* verify) {
    declared::Declaration declaration;
    declared::add_file(declaration, "node.json",
                       fmt::format(R"({{"nics":[{{"select":{{"driver":"igb"}},"vfs":1,
                                     "groups":[{{"vfs":"0","driver":"dpdk","verify":"{}"}}]}}]}})",
                                   verify));
    EXPECT_THAT(declaration.problems, IsEmpty());
    return declared::verify_groups(node_, declaration.nics.at(0), kPf);
  };
  vf::save_dpdk_report(node_, kVf, report("false"));
  EXPECT_THAT(doubts_with("off"), IsEmpty());
  for (const auto& [verify, is_required] : {std::pair{"warn", false}, {"require", true}}) {
    const auto doubts = doubts_with(verify);
    ASSERT_EQ(doubts.size(), 1U);
    EXPECT_THAT(doubts[0].text, HasSubstr("(0000:01:10.0): DPDK cannot drive it: no driver of DPDK takes it"));
    EXPECT_EQ(doubts[0].is_required, is_required);
  }
  vf::save_dpdk_report(node_, kVf, report("true"));
  EXPECT_THAT(doubts_with("require"), IsEmpty());
  run_.write("dpdk/" + std::string(kVf) + ".json", "");
  const auto unknown = doubts_with("require");  // no probe is installed beside this test
  ASSERT_EQ(unknown.size(), 1U);
  EXPECT_THAT(unknown[0].text, HasSubstr("whether DPDK can drive it is not known: "));
  EXPECT_FALSE(unknown[0].is_required);
}

TEST_F(DpdkNode, AReportReadsAsText) {
  const std::string text = text_of(report("false", R"([{"name":"p","driver":"net_x","starts":false,"startProblem":"no",
      "flows":[{"pattern":"eth","action":"queue","valid":true},{"pattern":"eth","action":"drop","valid":true},
               {"pattern":"eth / vlan","action":"drop","valid":false}]}])"));
  for (const char* part :
       {"no: no driver of DPDK takes it", "no: no\n", "eth: queue, drop\n", "sysctl vm.nr_hugepages"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_EQ(text.find("vlan"), std::string::npos);
}

}  // namespace
}  // namespace barewire::dpdk
