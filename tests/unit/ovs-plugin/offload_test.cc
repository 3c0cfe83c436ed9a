// SPDX-License-Identifier: Apache-2.0
/// What the ovs plugin reads from sysfs to choose: uplinks, DPDK's names, vDPA devices. Representors themselves are in
/// tests/unit/core/vf/representor_test.cc.
#include "ovs-plugin/offload.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "core/vf/dpdk_report.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::ovs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kPf0 = "0000:3b:00.0";
constexpr const char* kPf1 = "0000:3b:00.1";
constexpr const char* kVf = "0000:3b:02.1";

class OffloadChoice : public ::testing::Test {
 protected:
  OffloadChoice() {
    node_.add({.address = kPf0, .driver = "mlx5_core", .netdev = "ens1f0np0", .total_vfs = 8});
    node_.add({.address = kPf1, .driver = "mlx5_core", .netdev = "ens1f1np1", .total_vfs = 8});
    node_.add({.address = kVf, .driver = "mlx5_core", .netdev = "ens1f0v1"});
    node_.join(kPf0, 1, kVf);
  }
  void make_bond() const {
    node_.tree().write("class/net/bond0/bonding/slaves", "ens1f0np0 ens1f1np1\n");
    for (const char* pf : {"ens1f0np0", "ens1f1np1"})
      node_.tree().link(std::string("class/net/") + pf + "/master", "../bond0");
  }
  void add_vdpa(const std::string& name, const std::string& vhost) const {
    node_.tree().write(std::string("bus/pci/devices/") + kVf + "/" + name + "/uevent", "");
    node_.tree().write("bus/vdpa/devices/" + name + "/uevent", "");
    if (!vhost.empty()) node_.tree().write("bus/vdpa/devices/" + name + "/" + vhost + "/uevent", "");
  }
  std::string devargs(const char* uplink, const char* pf, std::uint32_t vf) const {
    return representor_devargs(sysfs(), {uplink, "rep"}, pf, vf);
  }
  std::string vdpa_error() const {
    try {
      return require_vdpa(sysfs(), kVf).path;
    } catch (const Error& error) {
      return fmt::format("{} {}", error.code(), error.what());
    }
  }
  kernel::Sysfs sysfs() const { return kernel::Sysfs(node_.root()); }

  test::FakeSysfs node_;
};

TEST_F(OffloadChoice, UplinkAloneIsLookedForOnBridges) {
  EXPECT_THAT(list_uplinks(sysfs(), "ens1f0np0"), ElementsAre("ens1f0np0"));
}

TEST_F(OffloadChoice, UplinkInABondIsLookedForWithTheBondAndItsOtherMembers) {
  make_bond();
  EXPECT_THAT(list_uplinks(sysfs(), "ens1f1np1"), ElementsAre("ens1f1np1", "bond0", "ens1f0np0"));
}

TEST_F(OffloadChoice, UplinkOnALinuxBridgeHasNoBond) {
  node_.tree().write("class/net/br0/bridge/stp_state", "0\n");
  node_.tree().link("class/net/ens1f0np0/master", "../br0");
  EXPECT_THAT(list_uplinks(sysfs(), "ens1f0np0"), ElementsAre("ens1f0np0"));
}

TEST_F(OffloadChoice, RepresentorOfDpdkIsNamedByPfAndVf) {
  EXPECT_EQ("0000:3b:00.0,representor=vf3", devargs("ens1f0np0", kPf0, 3));
}

TEST_F(OffloadChoice, RepresentorOfABondIsNamedByItsFirstPf) {
  make_bond();
  EXPECT_EQ("0000:3b:00.0,representor=pf0vf3", devargs("ens1f0np0", kPf0, 3));
  EXPECT_EQ("0000:3b:00.0,representor=pf1vf7", devargs("ens1f1np1", kPf1, 7));
}

TEST_F(OffloadChoice, VdpaDeviceOfAVfIsTheOneThatVhostDrives) {
  add_vdpa("vdpa:0000:3b:02.1", "vhost-vdpa-4");
  node_.tree().write("bus/vdpa/devices/other/vhost-vdpa-0/uevent", "");
  EXPECT_EQ("/dev/vhost-vdpa-4", vdpa_error());
}

TEST_F(OffloadChoice, VdpaDeviceThatIsMissingOrNotVhostsOrOneOfSeveralIsAnError) {
  EXPECT_THAT(vdpa_error(), HasSubstr("101 VF 0000:3b:02.1 has 0 vDPA devices"));
  add_vdpa("vdpa0", "");
  EXPECT_THAT(vdpa_error(), HasSubstr("has 0 vDPA devices on driver vhost_vdpa"));
  add_vdpa("vdpa1", "vhost-vdpa-1");
  add_vdpa("vdpa2", "vhost-vdpa-2");
  EXPECT_THAT(vdpa_error(), HasSubstr("has 2 vDPA devices"));
}

/// What was asked of DPDK before a port of it is tried; what was not asked is the switch's to tell.
TEST_F(OffloadChoice, APfThatDpdkSaidNoToIsRefusedBeforeAnythingIsTouched) {
  test::PrivateDirectory run;
  Node node;
  node.sysfs = node_.root();
  node.run_dir = run.path();
  const auto keep = [&](bool usable, const char* ports) {
    vf::save_dpdk_report(
        node, kPf0,
        boost::json::parse(fmt::format(
                               R"({{"usable":{},"problem":"no driver of DPDK takes it","ports":{},"device":
          {{"pci":"{}","id":"8086:10c9","kernelDriver":"mlx5_core","binding":"{}"}}}})",
                               usable, ports, kPf0, vf::dpdk_binding(sysfs(), kPf0)))
            .as_object());
  };
  const auto refusal = [&]() -> std::string {
    try {
      require_drivable(node, kPf0);
      return "";
    } catch (const Error& error) {
      return fmt::format("{} {}", error.code(), error.what());
    }
  };
  EXPECT_EQ(refusal(), "");
  keep(false, "[]");
  EXPECT_THAT(refusal(), HasSubstr("101 DPDK cannot drive PF 0000:3b:00.0: no driver of DPDK takes it"));
  keep(true, R"([{"driver":"mlx5_pci","switch":null}])");
  EXPECT_THAT(refusal(), HasSubstr("mlx5_pci makes no representors"));
  keep(true, R"([{"driver":"mlx5_pci","switch":{"domain":0}}])");
  EXPECT_EQ(refusal(), "");
}

}  // namespace
}  // namespace barewire::ovs
