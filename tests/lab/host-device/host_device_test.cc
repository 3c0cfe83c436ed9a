// SPDX-License-Identifier: Apache-2.0
/// host-device with VFs of a real driver: by PCI address into a pod, traffic, and back as it was.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/fd.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Vf {
  std::string address, netdev;
};

class HostDeviceLab : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("BAREWIRE_LAB") == nullptr) GTEST_SKIP() << "this test needs the lab's guest (docs/lab.md)";
    for (const char* number : {"0", "1"}) {
      const fs::path link = std::string("/sys/class/net/pf0/device/virtfn") + number;
      Vf vf{fs::read_symlink(link).filename(), ""};
      for (const auto& entry : fs::directory_iterator(link / "net")) vf.netdev = entry.path().filename();
      ASSERT_FALSE(vf.netdev.empty());
      vfs_.push_back(vf);
    }
    make_netns("a");
    make_netns("b");
  }
  std::string config(std::size_t vf, int host, const std::string& key = "pciBusID") const {
    const std::string device = key == "runtimeConfig"
                                   ? fmt::format(R"("runtimeConfig":{{"deviceID":"{}"}})", vfs_[vf].address)
                                   : fmt::format(R"("{}":"{}")", key, vfs_[vf].address);
    return fmt::format(
        R"({{"cniVersion":"1.1.0","name":"lan","type":"host-device",{},"ipam":{{"type":"static","addresses":[{{"address":"10.60.0.{}/24"}}]}}}})",
        device, host);
  }
  static CniCall pod(const std::string& name) {
    return {.container_id = name, .netns = "/run/netns/" + name, .ifname = "net1", .args = {}, .netns_override = {}};
  }
  PluginResult must_add(const std::string& text, const std::string& name) const {
    PluginResult result = runner_.add("host-device", text, pod(name));
    EXPECT_TRUE(result.ok()) << result;
    return result;
  }
  void must_del(const std::string& text, const std::string& name) const {
    const PluginResult result = runner_.del("host-device", text, pod(name));
    EXPECT_TRUE(result.ok()) << result;
  }
  static bool pings(const std::string& name, const std::string& address) {
    return run_in("/run/netns/" + name,
                  "for i in 1 2 3 4 5 6 7 8; do ping -c1 -W1 -n " + address + " && exit 0; done; exit 1")
        .ok();
  }

  std::vector<Vf> vfs_;
  PluginRunner runner_{built_program("barewire-cni"), fs::path(built_program("barewire-cni")).parent_path().string()};
};

TEST_F(HostDeviceLab, TwoVfsCarryTrafficBetweenPodsAndComeBackAsTheyWere) {
  const auto before = NodeSnapshot::take();
  const PluginResult added = must_add(config(0, 1), "a");
  EXPECT_EQ(vfs_[0].address, added.json.at("interfaces").at(0).at("pciID").as_string()) << added;
  EXPECT_FALSE(run_shell("ip link show " + vfs_[0].netdev).ok());
  must_add(config(1, 2, "runtimeConfig"), "b");
  EXPECT_TRUE(pings("a", "10.60.0.2"));
  std::string with_previous = config(0, 1);
  with_previous.insert(with_previous.size() - 1, ",\"prevResult\":" + added.out);
  const PluginResult checked = runner_.check("host-device", with_previous, pod("a"));
  EXPECT_TRUE(checked.ok()) << checked;
  must_del(config(0, 1), "a");
  must_del(config(1, 2), "b");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceLab, ComesBackFromANetnsThatWasDeleted) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, 1), "a");
  delete_netns("a");
  must_del(config(0, 1), "a");
  EXPECT_NODE_UNCHANGED(before);
  must_del(config(0, 1), "a");
}

TEST_F(HostDeviceLab, ComesBackAfterThePodRenamedItAndGaveItAnotherMac) {
  const auto before = NodeSnapshot::take();
  must_add(config(0, 1), "a");
  must_run_in("/run/netns/a", "ip link set net1 down && ip link set net1 name lan7 mtu 1400 && ip link set lan7 up");
  must_del(config(0, 1), "a");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceLab, ThatVanishedWithItsVfsNeedsNothingAtDel) {
  must_add(config(0, 1), "a");
  must_run("echo 0 > /sys/class/net/pf0/device/sriov_numvfs");
  must_del(config(0, 1), "a");
  EXPECT_TRUE(NodeSnapshot::take_files({"/run/barewire"}).items().empty());
}

TEST_F(HostDeviceLab, OnVfioGetsItsAddressAndStaysWhereItIs) {
  must_run(
      fmt::format("modprobe vfio-pci; cd /sys/bus/pci/devices/{0}; echo vfio-pci > driver_override;"
                  "echo {0} > driver/unbind; echo {0} > /sys/bus/pci/drivers_probe",
                  vfs_[0].address));
  const auto before = NodeSnapshot::take();
  const PluginResult added = must_add(config(0, 1), "a");
  EXPECT_THAT(added.out, HasSubstr("10.60.0.1/24"));
  EXPECT_FALSE(run_in("/run/netns/a", "ip link show net1").ok());
  must_del(config(0, 1), "a");
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDeviceLab, HeldByOneAttachmentIsRefusedToAnother) {
  must_add(config(0, 1), "a");
  const auto before = NodeSnapshot::take();
  const PluginResult second = runner_.add("host-device", config(0, 2), pod("b"));
  EXPECT_EQ(102, second.code()) << second;
  EXPECT_THAT(second.msg(), HasSubstr("lan/a/net1"));
  EXPECT_NODE_UNCHANGED(before);
}

}  // namespace
}  // namespace barewire::test
