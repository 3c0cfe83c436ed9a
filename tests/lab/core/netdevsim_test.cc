// SPDX-License-Identifier: Apache-2.0
/// core/kernel's vf.h and devlink.h on netdevsim: a PF with 128 VFs, every attribute, a switch with representors; and
/// host-device with a device that has several netdevs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/kernel/devlink.h"
#include "core/kernel/link.h"
#include "core/kernel/sysfs.h"
#include "core/kernel/vf.h"
#include "core/vf/representor.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/node_snapshot.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

using namespace kernel;  // NOLINT(google-build-using-namespace): the layer under test
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kDevice = "/sys/bus/netdevsim/devices/netdevsim10";
const DevlinkHandle kHandle{"netdevsim", "netdevsim10"};
constexpr std::uint32_t kVfs = 128;

class Netdevsim : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("BAREWIRE_LAB") == nullptr) GTEST_SKIP() << "this test needs the lab's guest (docs/lab.md)";
  }
  void make(int ports, std::uint32_t vfs) {
    must_run(
        fmt::format("modprobe netdevsim && echo '10 {}' > /sys/bus/netdevsim/new_device && "
                    "echo {} > /sys/kernel/debug/netdevsim/netdevsim10/max_vfs && echo {} > {}/sriov_numvfs",
                    ports, vfs, vfs, kDevice));
    for (const auto& entry : std::filesystem::directory_iterator(std::string(kDevice) + "/net")) {
      const std::string name = entry.path().filename();
      if (pf_.empty() || name < pf_) pf_ = name;
    }
    ASSERT_FALSE(pf_.empty());
    index_ = get_link(socket_, pf_).index;
  }
  /// Values that differ from VF to VF, so that one read under another's number shows.
  static VfChange unlike_others(std::uint32_t id) {
    VfChange change;
    change.mac = MacAddress({0x02, 0, 0, 0, 0x7f, static_cast<std::uint8_t>(id)});
    change.vlan = {.id = static_cast<std::uint16_t>(4094 - id),
                   .qos = static_cast<std::uint8_t>(id % 8),
                   .proto = id % 2 == 0 ? VlanProto::dot1ad : VlanProto::dot1q};
    change.spoof_check = id % 3 == 0;
    change.trust = id % 5 == 0;
    change.min_tx_rate = id + 1;
    change.max_tx_rate = 0xff00U + id;  // netdevsim keeps 16 bits
    change.link_state = static_cast<VfLinkState>(id % 3);
    change.query_rss = id % 7 == 0;
    return change;
  }
  static VfInfo as_read(std::uint32_t id, const VfChange& change) {
    return {.id = id,
            .mac = change.mac,
            .vlan = change.vlan->id,
            .qos = change.vlan->qos,
            .vlan_proto = change.vlan->proto,
            .spoof_check = change.spoof_check,
            .trust = change.trust,
            .link_state = change.link_state,
            .query_rss = change.query_rss,
            .min_tx_rate = *change.min_tx_rate,
            .max_tx_rate = *change.max_tx_rate};
  }
  /// As an observer of its own sees it.
  static std::string representor_by_port_name(const std::string& port) {
    std::string name = must_run("grep -lx " + port + " /sys/class/net/*/phys_port_name | cut -d/ -f5");
    if (!name.empty()) name.pop_back();
    return name;
  }
  void change(std::uint32_t id, const VfChange& what) { change_vf(socket_, index_, pf_, id, what); }
  VfInfo read(std::uint32_t id) { return find_vf(socket_, index_, id).value_or(VfInfo{.id = 0xdead}); }

  NlSocket socket_;
  std::string pf_;
  int index_ = 0;
};

TEST_F(Netdevsim, EveryAttributeOfEachOf128VfsIsSetAndReadByItsNumber) {
  make(1, kVfs);
  for (std::uint32_t id = 0; id < kVfs; ++id) change(id, unlike_others(id));
  const std::vector<VfInfo> vfs = list_vfs(socket_, index_);
  ASSERT_EQ(kVfs, vfs.size()) << "the list is cut short";
  for (std::uint32_t id = 0; id < kVfs; ++id) {
    EXPECT_EQ(as_read(id, unlike_others(id)), vfs[id]) << "vf " << id;
    EXPECT_EQ(vfs[id], read(id)) << "vf " << id;
  }
  // An observer of its own: iproute2.
  const std::string seen = must_run(fmt::format("ip -d link show {} | grep -A1 'vf 126 '", pf_));
  EXPECT_THAT(seen, HasSubstr("vlan 3968, qos 6, vlan protocol 802.1ad")) << seen;
  EXPECT_THAT(seen, HasSubstr("02:00:00:00:7f:7e")) << seen;
  EXPECT_FALSE(find_vf(socket_, index_, kVfs));
}

TEST_F(Netdevsim, OneAttributeChangesAloneAndOnOneVfAlone) {
  make(1, kVfs);
  for (std::uint32_t id : {63U, 64U, 127U}) change(id, unlike_others(id));
  const auto neighbour = read(63);
  VfInfo expected = read(64);
  const auto expect_after = [&](const VfChange& what) {
    change(64, what);
    EXPECT_EQ(expected, read(64));
    EXPECT_EQ(neighbour, read(63));
  };
  expected.min_tx_rate = 777;
  expect_after({.min_tx_rate = 777});
  expected.max_tx_rate = 888;
  expect_after({.max_tx_rate = 888});
  expected.trust = true;
  expect_after({.trust = true});
  expected.link_state = VfLinkState::disable;
  expect_after({.link_state = VfLinkState::disable});
  expected.vlan = 0, expected.qos = 0, expected.vlan_proto = VlanProto::dot1q;
  expect_after({.vlan = VfChange::Vlan{}});
  EXPECT_EQ(as_read(127, unlike_others(127)), read(127));
}

TEST_F(Netdevsim, WhatTheKernelRefusesNamesVfAndAttribute) {
  make(1, 4);
  try {
    change(4, {.trust = true});
    FAIL() << "there is no VF 4";
  } catch (const KernelError& error) {
    EXPECT_EQ(EINVAL, error.err());
    EXPECT_THAT(error.what(), HasSubstr("setting trust on of " + pf_ + " vf 4 failed"));
  }
}

TEST_F(Netdevsim, EswitchModeIsReadAndSetAndGivesARepresentorPerVf) {
  make(2, 8);
  EXPECT_EQ(EswitchMode::legacy, find_eswitch_mode(kHandle));
  set_eswitch_mode(kHandle, EswitchMode::switchdev);
  EXPECT_EQ(EswitchMode::switchdev, find_eswitch_mode(kHandle));
  std::vector<std::uint32_t> represented;
  std::size_t physical = 0;
  for (const DevlinkPort& port : list_devlink_ports(kHandle)) {
    if (port.flavour == "physical") ++physical;
    if (port.flavour != "pcivf") continue;
    represented.push_back(port.vf.value_or(99));
    EXPECT_EQ(0, port.pf);
    const auto link = find_link(socket_, port.netdev_index);
    ASSERT_TRUE(link) << port.index;
    EXPECT_EQ(port.netdev, link->name);
    EXPECT_EQ(fmt::format("pf0vf{}", *port.vf), link->phys_port_name);
  }
  EXPECT_EQ(2U, physical);
  EXPECT_THAT(represented, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  set_eswitch_mode(kHandle, EswitchMode::legacy);
  EXPECT_EQ(EswitchMode::legacy, find_eswitch_mode(kHandle));
  EXPECT_EQ(2U, list_devlink_ports(kHandle).size());
}

TEST_F(Netdevsim, EveryVfHasItsOwnRepresentor) {
  make(2, 64);
  set_eswitch_mode(kHandle, EswitchMode::switchdev);
  const Sysfs sysfs;
  // Names say nothing: those of two are exchanged, one is far from the pattern.
  must_run(fmt::format("ip link set {0} name swap; ip link set {1} name {0}; ip link set swap name {1}",
                       representor_by_port_name("pf0vf1"), representor_by_port_name("pf0vf2")));
  must_run(fmt::format("ip link set {} name zebra", representor_by_port_name("pf0vf63")));
  for (std::uint32_t id = 0; id < 64; ++id) {
    const std::string expected = representor_by_port_name(fmt::format("pf0vf{}", id));
    const auto found = vf::find_representor(sysfs, kHandle, pf_, 0, id);
    ASSERT_TRUE(found) << id;
    EXPECT_EQ(expected, found->netdev) << id;
    EXPECT_EQ(vf::Representor::FoundBy::devlink_port, found->found_by);
    const auto without_devlink = vf::find_representor(sysfs, {"netdevsim", "none"}, pf_, 0, id);
    ASSERT_TRUE(without_devlink) << id;
    EXPECT_EQ(expected, without_devlink->netdev) << id;
  }
  EXPECT_EQ("zebra", representor_by_port_name("pf0vf63"));
  EXPECT_FALSE(vf::find_representor(sysfs, kHandle, pf_, 0, 64));
}

TEST_F(Netdevsim, WhatHasNoDevlinkHasNoModeAndNoPorts) {
  EXPECT_EQ(std::nullopt, find_eswitch_mode({"pci", "0000:01:00.0"})) << "igb has none";
  EXPECT_EQ(std::nullopt, find_eswitch_mode({"pci", "0000:77:00.0"}));
  EXPECT_TRUE(list_devlink_ports({"pci", "0000:77:00.0"}).empty());
  try {
    set_eswitch_mode({"pci", "0000:77:00.0"}, EswitchMode::switchdev);
    FAIL() << "there is no such device";
  } catch (const KernelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("pci/0000:77:00.0"));
  }
}

TEST_F(Netdevsim, AHealthReporterInErrorIsToldUntilItHasRecovered) {
  make(1, 1);
  EXPECT_TRUE(list_devlink_faults().empty());
  // Without recovery by itself the reporter stays in error. Source: drivers/net/netdevsim/health.c.
  must_run("devlink health set netdevsim/netdevsim10 reporter dummy auto_recover false");
  run_shell("echo broken > /sys/kernel/debug/netdevsim/netdevsim10/health/break_health");
  const auto faults = list_devlink_faults();
  ASSERT_EQ(1U, faults.size());
  EXPECT_EQ("netdevsim10", faults[0].handle.device);
  EXPECT_EQ("dummy", faults[0].reporter);
  must_run("devlink health recover netdevsim/netdevsim10 reporter dummy");
  EXPECT_TRUE(list_devlink_faults().empty());
}

TEST_F(Netdevsim, FeaturesDriverAndSpeedAreToldOrAbsent) {
  make(1, 1);
  EXPECT_EQ(false, find_feature(pf_, "hw-tc-offload"));
  must_run("ethtool -K " + pf_ + " hw-tc-offload on");
  EXPECT_EQ(true, find_feature(pf_, "hw-tc-offload"));
  EXPECT_EQ(std::nullopt, find_feature(pf_, "no-such-feature"));
  EXPECT_EQ(std::nullopt, find_feature("no-such-link", "hw-tc-offload"));
  const auto igb = find_driver_info("pf0");
  ASSERT_TRUE(igb);
  EXPECT_EQ("igb", igb->driver);
  EXPECT_EQ("0000:01:00.0", igb->bus_info);
  const auto simulated = find_driver_info(pf_);
  ASSERT_TRUE(simulated);
  EXPECT_EQ("netdevsim", simulated->driver);
  EXPECT_EQ(std::nullopt, find_driver_info("no-such-link"));
  EXPECT_EQ(1000U, find_speed("pf0"));
  EXPECT_EQ(std::nullopt, find_speed("no-such-link"));
}

/// Ports and representors share one parent device, which is on a bus that is neither pci nor auxiliary.
TEST_F(Netdevsim, HostDeviceBringsHomeTheVeryNetdevItTook) {
  make(2, 2);
  set_eswitch_mode(kHandle, EswitchMode::switchdev);
  make_netns("pod1");
  const PluginRunner runner;
  std::vector<std::string> names;
  for (const Link& link : list_links(socket_))
    if (link.parent_device == "netdevsim10") names.push_back(link.name);
  ASSERT_EQ(4U, names.size());
  for (const std::string& name : names) {
    const auto before = NodeSnapshot::take();
    const std::string config =
        fmt::format(R"({{"cniVersion":"1.1.0","name":"lan","type":"host-device","device":"{}"}})", name);
    const PluginResult added = runner.add("host-device", config);
    EXPECT_TRUE(added.ok()) << added;
    EXPECT_FALSE(run_shell("ip link show " + name).ok()) << name;
    must_run_in("/run/netns/pod1", "ip link set eth0 down && ip link set eth0 name renamed");
    const PluginResult gone = runner.del("host-device", config);
    EXPECT_TRUE(gone.ok()) << gone;
    EXPECT_EQ("", lasting_difference(before)) << name;
  }
}

}  // namespace
}  // namespace barewire::test
