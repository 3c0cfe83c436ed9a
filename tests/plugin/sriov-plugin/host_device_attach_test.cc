// SPDX-License-Identifier: Apache-2.0
/// host-device gives a device to a pod, checks it, and takes it back: every key, every operation.
#include "tests/plugin/sriov-plugin/host_device_fixture.h"

namespace barewire::test {
namespace {

using ::testing::HasSubstr;
namespace json = boost::json;

using HostDevice = HostDeviceTest;

TEST_F(HostDevice, MovesTheLinkUnderItsNewNameAndBringsItBackAsItWas) {
  const auto before = NodeSnapshot::take();
  const PluginResult added = must_add(device());
  const std::string expected =
      R"({"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:0a:01","mtu":1450,"sandbox":"/run/netns/pod1"}]})";
  EXPECT_EQ(json::parse(expected), added.json) << added;
  EXPECT_FALSE(exists("", "v0"));
  EXPECT_THAT(attribute(pod_, "eth0", "flags"), HasSubstr("\"UP\""));
  must_del(device());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDevice, ThatWasUpIsUpAgain) {
  must_run("ip link set v0 up promisc off");
  const auto before = NodeSnapshot::take();
  must_add(device());
  must_del(device());
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDevice, AlternativeNameNamesItTooAndMayBeTheNameInThePod) {
  const auto before = NodeSnapshot::take();
  must_add(device({}, "uplink-seven"), pod("pod1", "uplink-seven"));
  EXPECT_TRUE(exists(pod_, "uplink-seven"));
  must_del(device({}, "uplink-seven"), pod("pod1", "uplink-seven"));
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(HostDevice, CarriesTraffic) {
  must_run("ip addr add 10.40.0.1/24 dev v1");
  must_add(device(R"(,"ipam":{"type":"static","addresses":[{"address":"10.40.0.2/24"}]})"));
  must_run_in(pod_, "ping -c1 -W2 -n 10.40.0.1");
}

struct Key {
  const char* name;
  const char* members;
};

class EveryKey : public HostDeviceTest, public ::testing::WithParamInterface<Key> {
 protected:
  void SetUp() override {
    HostDeviceTest::SetUp();
    if (IsSkipped()) return;
    make_link("w0", "02:00:00:00:0b:01");
    sysfs_.add({.address = "0000:3b:02.1", .driver = "iavf", .netdev = "v0"});
    sysfs_.add({.address = "0000:3b:02.2", .driver = "iavf", .netdev = "w0"});
    sysfs_.add({.address = "0000:3b:02.3", .driver = "virtio-pci", .netdev = ""});
    sysfs_.tree().write("bus/pci/devices/0000:3b:02.3/virtio3/net/v0/address", "");
    sysfs_.tree().write("bus/auxiliary/devices/mlx5_core.sf.2/net/v0/address", "");
    sysfs_.tree().link("bus/auxiliary/devices/mlx5_core.sf.2/driver", "../../../auxiliary/drivers/mlx5_core.sf");
    sysfs_.tree().write("devices/pci0000:3a/0000:3b:02.1/net/v0/address", "");
    show_as_sysfs(sysfs_);
  }
  FakeSysfs sysfs_;
};

TEST_P(EveryKey, FindsTheDeviceAndItComesBack) {
  const auto before = NodeSnapshot::take();
  must_add(config(GetParam().members));
  EXPECT_EQ(kMac, attribute(pod_, "eth0", "address"));
  must_del(config(GetParam().members));
  EXPECT_NODE_UNCHANGED(before);
}

INSTANTIATE_TEST_SUITE_P(
    OfTheReference, EveryKey,
    ::testing::Values(
        Key{"Device", R"(,"device":"v0")"}, Key{"DeviceInAnyCase", R"(,"Device":"v0")"},
        Key{"Hwaddr", R"(,"hwaddr":"02:00:00:00:0a:01")"}, Key{"HwaddrInCapitals", R"(,"hwaddr":"02:00:00:00:0A:01")"},
        Key{"Kernelpath", R"(,"kernelpath":"/sys/devices/pci0000:3a/0000:3b:02.1")"},
        Key{"KernelpathWithASlash", R"(,"kernelpath":"/sys/devices/pci0000:3a/0000:3b:02.1/")"},
        Key{"PciBusID", R"(,"pciBusID":"0000:3b:02.1")"}, Key{"PciBusIDWithoutDomain", R"(,"pciBusID":"3b:02.1")"},
        Key{"PciBusIDOfAVirtioNic", R"(,"pciBusID":"0000:3b:02.3")"},
        Key{"RuntimeDeviceID", R"(,"runtimeConfig":{"deviceID":"0000:3b:02.1"})"},
        Key{"RuntimeAuxiliaryDevice", R"(,"runtimeConfig":{"deviceID":"mlx5_core.sf.2"})"},
        Key{"RuntimeDeviceIDBeforePciBusID",
            R"(,"pciBusID":"0000:3b:02.2","runtimeConfig":{"deviceID":"0000:3b:02.1"})"},
        Key{"DeviceBeforeAllOthers",
            R"(,"pciBusID":"0000:3b:02.2","hwaddr":"02:00:00:00:0b:01","device":"v0","kernelpath":"/sys/devices/x")"},
        Key{"HwaddrBeforeThePaths", R"(,"pciBusID":"0000:3b:02.2","hwaddr":"02:00:00:00:0a:01","kernelpath":"")"},
        Key{"EmptyOnesAreAbsent", R"(,"device":"","hwaddr":"","kernelpath":"","pciBusID":"0000:3b:02.1")"}),
    [](const auto& param) { return param.param.name; });

TEST_F(EveryKey, PutsThePciAddressIntoTheResult) {
  for (const char* address : {"0000:3b:02.1", "0000:3b:02.3"}) {
    const std::string text = config(fmt::format(R"(,"pciBusID":"{}")", address));
    EXPECT_EQ(address, must_add(text).json.at("interfaces").at(0).at("pciID").as_string());
    must_del(text);
  }
}

TEST_F(EveryKey, OnAUserSpaceDriverGetsAddressesAndNothingMoves) {
  for (const char* driver : {"vfio-pci", "uio_pci_generic", "igb_uio"}) {
    sysfs_.tree().link("bus/pci/devices/0000:3b:02.2/driver", std::string("../../drivers/") + driver);
    std::filesystem::remove_all("/var/lib/cni/networks");  // each round begins with the first address
    const auto before = NodeSnapshot::take();
    const std::string text = config(R"(,"pciBusID":"0000:3b:02.2")" + std::string(kHostLocal));
    const PluginResult added = must_add(text);
    EXPECT_EQ(json::parse(R"({"name":"eth0","sandbox":"/run/netns/pod1","pciID":"0000:3b:02.2"})"),
              added.json.at("interfaces").at(0))
        << added;
    EXPECT_EQ("10.40.0.2/24", added.json.at("ips").at(0).at("address").as_string());
    EXPECT_FALSE(exists(pod_, "eth0"));
    EXPECT_TRUE(exists("", "w0"));
    const PluginResult checked = runner_.check("host-device", with(text, "prevResult", added.out));
    EXPECT_TRUE(checked.ok()) << checked;
    must_del(text);
    EXPECT_NODE_UNCHANGED(before);
  }
}

TEST_F(EveryKey, ADeviceBoundToADriverWithoutNetdevIsRefused) {
  sysfs_.add({.address = "0000:3b:03.0", .driver = "nvme", .netdev = ""});
  sysfs_.add({.address = "0000:3b:03.1", .driver = "", .netdev = ""});
  expect_refused(config(R"(,"pciBusID":"0000:3b:03.0")"), 101, "0000:3b:03.0 has no netdev");
  expect_refused(config(R"(,"pciBusID":"0000:3b:03.1")"), 101, "0000:3b:03.1 has no netdev");
  expect_refused(config(R"(,"pciBusID":"0000:3b:07.7")"), 101, "0000:3b:07.7");
  expect_refused(config(R"(,"kernelpath":"/sys/devices/pci0000:3a/nothing")"), 101, "/sys/devices/pci0000:3a/nothing");
}

TEST_F(EveryKey, TheUplinkIsTakenWhereRepresentorsShareItsDirectory) {
  sysfs_.add({.address = "0000:3b:00.0", .driver = "mlx5_core", .netdev = ""});
  sysfs_.add_netdev("0000:3b:00.0", "v0", "p0");
  sysfs_.add_netdev("0000:3b:00.0", "a0", "pf0vf0");
  make_link("a0", "02:00:00:00:0c:01");
  must_add(config(R"(,"pciBusID":"0000:3b:00.0")"));
  EXPECT_EQ(kMac, attribute(pod_, "eth0", "address"));
}

TEST_F(HostDevice, CheckPassesAfterAddAndNamesEachDrift) {
  const std::string text = device(R"(,"ipam":{"type":"static","addresses":[{"address":"10.40.0.2/24"}]})");
  const std::string with_previous = with(text, "prevResult", must_add(text).out);
  const auto expect_drift = [&](const std::string& change, const std::string& words, const std::string& back) {
    must_run_in(pod_, change);
    const PluginResult result = runner_.check("host-device", with_previous);
    EXPECT_EQ(104, result.code()) << change << "\n" << result;
    EXPECT_THAT(result.msg(), HasSubstr(words)) << change;
    must_run_in(pod_, back);
    const PluginResult again = runner_.check("host-device", with_previous);
    EXPECT_TRUE(again.ok()) << back << "\n" << again;
  };
  EXPECT_TRUE(runner_.check("host-device", with_previous).ok());
  expect_drift("ip link set eth0 address 02:00:00:00:0a:77", "MAC is 02:00:00:00:0a:77",
               "ip link set eth0 address 02:00:00:00:0a:01");
  expect_drift("ip link set eth0 mtu 1400", "MTU is 1400, was 1450", "ip link set eth0 mtu 1450");
  expect_drift("ip link set eth0 down", "down", "ip link set eth0 up");
  expect_drift("ip addr del 10.40.0.2/24 dev eth0", "10.40.0.2", "ip addr add 10.40.0.2/24 dev eth0");
  expect_drift("ip link set eth0 down && ip link set eth0 name lan7 && ip link set lan7 up", "called lan7",
               "ip link set lan7 down && ip link set lan7 name eth0 && ip link set eth0 up");
  const PluginResult missing = runner_.check("host-device", text);
  EXPECT_EQ(7, missing.code()) << missing;
  EXPECT_THAT(missing.msg(), HasSubstr("prevResult"));
}

TEST_F(HostDevice, StatusIsTheIpamPluginsStatus) {
  EXPECT_TRUE(runner_.status("host-device", device()).ok());
  const std::string text = device(R"(,"ipam":{"type":"host-local","subnet":"10.9.0.0/30","strictStatus":true})");
  EXPECT_TRUE(runner_.status("host-device", text).ok());
  must_add(text);
  const PluginResult full = runner_.status("host-device", text);
  EXPECT_EQ(50, full.code()) << full;
}

TEST_F(HostDevice, GcReturnsWhatIsNotListedOfThisNetworkAlone) {
  make_netns("pod2");
  make_netns("pod3");
  make_link("w0", "02:00:00:00:0b:01");
  make_link("x0", "02:00:00:00:0c:01");
  must_add(device(kHostLocal));
  must_add(device(kHostLocal, "w0"), pod("pod2"));
  const std::string other = config(R"(,"device":"x0")", "1.1.0", "wan");
  must_add(other, pod("pod3"));
  const std::string listed = R"([{"containerID":"pod1","ifname":"eth0"}])";
  const PluginResult first = runner_.gc("host-device", with(device(kHostLocal), "cni.dev/valid-attachments", listed));
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_TRUE(exists("", "w0"));
  EXPECT_FALSE(exists("", "v0"));
  EXPECT_FALSE(exists("", "x0"));
  EXPECT_TRUE(std::filesystem::exists("/var/lib/cni/networks/lan/10.40.0.2"));
  EXPECT_FALSE(std::filesystem::exists("/var/lib/cni/networks/lan/10.40.0.3"));
  EXPECT_TRUE(runner_.gc("host-device", device(kHostLocal)).ok()) << "without a list nothing is known to be dead";
  EXPECT_FALSE(exists("", "v0"));
  EXPECT_TRUE(runner_.gc("host-device", with(device(kHostLocal), "cni.dev/valid-attachments", "[]")).ok());
  EXPECT_TRUE(exists("", "v0"));
  EXPECT_TRUE(no_reservation_is_left());
  must_del(device(kHostLocal));
  must_del(other, pod("pod3"));
}

TEST_F(HostDevice, ResultIsInTheVersionAskedForOrTheNodeIsAsBefore) {
  const std::string members = R"(,"device":"v0","ipam":{"type":"static","addresses":[{"address":"10.40.0.2/24"}]})";
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    const PluginResult added = must_add(config(members, version));
    EXPECT_EQ(version, added.json.at("cniVersion").as_string());
    must_del(config(members, version));
  }
  // Below 0.3.0 a result without an address cannot be said.
  expect_refused(config(R"(,"device":"v0")", "0.2.0"), 2, "0.2.0");
}

TEST_F(HostDevice, AnswersVersionAndAboutAsEveryPluginDoes) {
  const PluginResult version = runner_.call("VERSION", "host-device", "");
  EXPECT_EQ(7U, version.json.at("supportedVersions").as_array().size()) << version;
}

}  // namespace
}  // namespace barewire::test
