// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <thread>

#include "tests/lab/device-manager/admin_lab.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;

using ProvisionLab = AdminLab;
constexpr const char* kVf0 = "/sys/bus/pci/devices/0000:01:00.0/virtfn0";

std::string vfs_of_pf0() {
  const std::string text = must_run(fmt::format("cat /sys/bus/pci/devices/{}/sriov_numvfs", kPfAddress));
  return text.substr(0, text.find('\n'));
}

std::string netdevs_of_vfs() {
  const std::string text = must_run(fmt::format("ls -d /sys/bus/pci/devices/{}/virtfn*/net/* | wc -l", kPfAddress));
  return text.substr(0, text.find('\n'));
}

TEST_F(ProvisionLab, MakesSevenVfsOnceAndThenHasNothingToDo) {
  const CommandResult foreseen = barewire({"provision", kPf, "--vfs", "7", "--dry-run"});
  EXPECT_EQ(foreseen.out,
            "would create 7 VFs on pf0\nwould wait for 7 VFs and their netdevs\nwould wait for the carrier of pf0\n");
  EXPECT_EQ(vfs_of_pf0(), "0");
  const CommandResult made = barewire({"provision", kPf, "--vfs", "7"});
  EXPECT_EQ(made.exit_status, 0) << made.out << made.err;
  EXPECT_THAT(made.out, HasSubstr("pf0 has 7 VFs\n"));
  EXPECT_EQ(vfs_of_pf0(), "7");
  EXPECT_EQ(netdevs_of_vfs(), "7");
  EXPECT_EQ(barewire({"provision", kPfAddress, "--vfs", "7"}).out, "pf0 has 7 VFs as asked; nothing to do\n");

  const CommandResult changed = barewire({"provision", kPf, "--vfs", "2", "--mtu", "1400"});
  EXPECT_EQ(changed.exit_status, 0) << changed.out << changed.err;
  EXPECT_EQ(vfs_of_pf0(), "2");
  EXPECT_THAT(must_run("cat /sys/bus/pci/devices/0000:01:00.0/virtfn1/net/*/mtu"), "1400\n");
}

/// igb restarts the NIC for VFs that come and go: its link is down for seconds.
TEST_F(ProvisionLab, ListRightAfterwardsFindsThePfsCarrierAsBefore) {
  const auto before = barewire_json({"list", "--pf", kPf}).at("pfs").at(0).at("netdev");
  for (const char* count : {"2", "3", "0"}) {
    const CommandResult changed = barewire({"provision", kPf, "--vfs", count});
    EXPECT_EQ(changed.exit_status, 0) << changed.out << changed.err;
    EXPECT_EQ(must_run("cat /sys/class/net/pf0/carrier"), "1\n") << count;
    EXPECT_EQ(barewire_json({"list", "--pf", kPf}).at("pfs").at(0).at("netdev"), before) << count;
  }
}

TEST_F(ProvisionLab, MoreThanTheCardCanHaveIsRefusedUntouched) {
  const CommandResult result = barewire({"provision", kPf, "--vfs", "8"});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.err, HasSubstr("at most 7"));
  EXPECT_EQ(vfs_of_pf0(), "0");
}

TEST_F(ProvisionLab, AHeldVfRefusesAChangeOfTheCount) {
  ASSERT_EQ(barewire({"provision", kPf, "--vfs", "2"}).exit_status, 0);
  attach("web-0", 1, 100);
  const CommandResult result = barewire({"provision", kPf, "--vfs", "4"});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.err, HasSubstr("VF 1: attachment vlan100/cid-web-0/net1 of pod default/web-0 holds it"));
  EXPECT_EQ(vfs_of_pf0(), "2");
  EXPECT_EQ(barewire({"provision", kPf, "--vfs", "2"}).exit_status, 0);
  ASSERT_TRUE(runner_.del("sriov", config(1, 100), call("web-0")).ok());
  EXPECT_EQ(barewire({"provision", kPf, "--vfs", "0"}).exit_status, 0);
  EXPECT_EQ(vfs_of_pf0(), "0");
}

TEST_F(ProvisionLab, AVfInAnotherNetnsRefusesToo) {
  ASSERT_EQ(barewire({"provision", kPf, "--vfs", "1"}).exit_status, 0);
  make_netns("other");
  must_run("ip link set $(ls /sys/bus/pci/devices/0000:01:00.0/virtfn0/net) netns other");
  const CommandResult result = barewire({"provision", kPf, "--vfs", "0"});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.err, HasSubstr("VF 0: driver igbvf is bound, and its netdev is in another netns"));
  EXPECT_EQ(vfs_of_pf0(), "1");
}

TEST_F(ProvisionLab, APfUnderTheDefaultRouteIsRefusedAlsoThroughABridge) {
  must_run(
      "ip link add br0 type bridge; ip link set pf0 master br0; ip link set br0 up; "
      "ip address add 192.0.2.2/24 dev br0; ip route add default via 192.0.2.1");
  const CommandResult result = barewire({"provision", kPf, "--vfs", "2"});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.err, HasSubstr("the default route leaves by br0"));
  EXPECT_EQ(vfs_of_pf0(), "0");
}

TEST_F(ProvisionLab, BindsVfsToVfio) {
  must_run("modprobe vfio-pci");
  const CommandResult result = barewire({"provision", kPf, "--vfs", "2", "--driver", "vfio-pci"});
  EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
  EXPECT_THAT(must_run("readlink -f /sys/bus/pci/devices/0000:01:00.0/virtfn1/driver"), HasSubstr("vfio-pci"));
  EXPECT_THAT(barewire({"list"}).out, HasSubstr("vfio "));
  {
    ChildProcess machine(command_of("sh", {"-c", "exec 3<>/dev/vfio/$(basename $(readlink " + std::string(kVf0) +
                                                     "/iommu_group)); exec sleep 60"}));
    const auto is_seen = [] { return barewire({"list"}).out.find("a process has /dev/vfio/") != std::string::npos; };
    for (int i = 0; i < 20 && !is_seen(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_THAT(barewire({"list", "--state", "in_use_elsewhere"}).out, HasSubstr("1 free"));
    EXPECT_EQ(barewire({"provision", kPf, "--vfs", "0"}).exit_status, 3);
  }
  EXPECT_EQ(barewire({"provision", kPf, "--vfs", "2", "--driver", "vfio-pci"}).out,
            "pf0 has 2 VFs as asked; nothing to do\n");
  EXPECT_EQ(barewire({"provision", kPf, "--vfs", "2", "--driver", "igbvf"}).exit_status, 0);
  EXPECT_EQ(netdevs_of_vfs(), "2");
}

}  // namespace
}  // namespace barewire::test
