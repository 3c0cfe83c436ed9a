// SPDX-License-Identifier: Apache-2.0
/// core/kernel's vdpa.h on the kernel's simulated vDPA devices: made, given to both bus drivers, removed; and the
/// netdev of one through ADD and DEL.
#include "core/kernel/vdpa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

using namespace kernel;  // NOLINT(google-build-using-namespace): the layer under test
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kName = "vdpa0";
const VdpaDevice kDevice{kName, {"", "vdpasim_net"}};

class VdpaLab : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("BAREWIRE_LAB") == nullptr) GTEST_SKIP() << "this test needs the lab's guest (docs/lab.md)";
    must_run("modprobe -a virtio_net virtio_vdpa vhost_vdpa vdpa_sim_net");
  }
  void TearDown() override {
    if (std::getenv("BAREWIRE_LAB") != nullptr) remove_vdpa_device(kName);
  }
  /// The device's netdev, which virtio_net makes a moment after it was bound; empty: none.
  std::string netdev() const {
    for (int tries = 0; tries < 100; ++tries) {
      const auto found = run_shell(fmt::format("ls /sys/bus/vdpa/devices/{}/virtio*/net", kName));
      if (found.ok()) return found.out.substr(0, found.out.find('\n'));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return {};
  }

  Sysfs sysfs_;
  NlSocket socket_;
};

TEST_F(VdpaLab, DevicesAreMadeOfTheirManagerGoToEitherDriverAndAreRemoved) {
  EXPECT_THAT(list_vdpa_managers(), Contains(kDevice.manager));
  EXPECT_FALSE(find_vdpa_driver(sysfs_, kName));
  add_vdpa_device(kDevice, {.mac = MacAddress::parse("02:00:00:00:00:31"), .mtu = 1400, .queue_pairs = {}});
  try {
    add_vdpa_device(kDevice, {});
    ADD_FAILURE() << "a name twice";
  } catch (const KernelError& error) {
    EXPECT_EQ(error.err(), EEXIST);
    EXPECT_THAT(error.what(), HasSubstr("making vDPA device vdpa0 of vdpasim_net"));
  }
  const auto devices = list_vdpa_devices();
  ASSERT_EQ(devices.size(), 1U);
  EXPECT_EQ(devices[0].name, kName);
  EXPECT_EQ(devices[0].manager, kDevice.manager);

  bind_vdpa_driver(sysfs_, kName, "vhost_vdpa");
  EXPECT_EQ(find_vdpa_driver(sysfs_, kName), "vhost_vdpa");
  EXPECT_TRUE(run_shell("test -c /dev/vhost-vdpa-0").ok());
  bind_vdpa_driver(sysfs_, kName, "virtio_vdpa");
  const Link link = get_link(socket_, netdev());
  EXPECT_EQ(link.mac, MacAddress::parse("02:00:00:00:00:31"));
  EXPECT_EQ(link.mtu, 1400U);

  remove_vdpa_device(kName);
  EXPECT_THAT(list_vdpa_devices(), IsEmpty());
  remove_vdpa_device(kName);  // harmless
}

TEST_F(VdpaLab, ItsNetdevGoesIntoAPodByAddAndComesBackByDel) {
  add_vdpa_device(kDevice, {.mac = MacAddress::parse("02:00:00:00:00:32"), .mtu = {}, .queue_pairs = {}});
  bind_vdpa_driver(sysfs_, kName, "virtio_vdpa");
  const std::string device = netdev();
  ASSERT_NE(device, "");
  make_netns("pod1");
  const std::string config = fmt::format(
      R"({{"cniVersion":"1.0.0","name":"vdpa","type":"host-device","device":"{}",
           "ipam":{{"type":"static","addresses":[{{"address":"192.0.2.7/24"}}]}}}})",
      device);
  const PluginRunner runner;
  const CniCall call{
      .container_id = "cid", .netns = "/run/netns/pod1", .ifname = "net1", .args = {}, .netns_override = {}};
  const PluginResult added = runner.add("host-device", config, call);
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_THAT(must_run("ip -n pod1 -o address show net1"), HasSubstr("192.0.2.7/24"));
  EXPECT_THAT(must_run("ip -n pod1 link show net1"), HasSubstr("02:00:00:00:00:32"));
  ASSERT_TRUE(runner.del("host-device", config, call).ok());
  EXPECT_EQ(get_link(socket_, device).mac, MacAddress::parse("02:00:00:00:00:32"));
}

}  // namespace
}  // namespace barewire::test
