// SPDX-License-Identifier: Apache-2.0
/// host-device beside the reference plugin of Debian (containernetworking-plugins): the same configuration gives the
/// same result, and what the reference attached comes back by our DEL.
#include <cstdlib>

#include "tests/plugin/sriov-plugin/host_device_fixture.h"

namespace barewire::test {
namespace {

namespace json = boost::json;
constexpr const char* kReference = "/usr/lib/cni/host-device";

class Beside : public HostDeviceTest {
 protected:
  void SetUp() override {
    HostDeviceTest::SetUp();
    if (IsSkipped()) return;
    if (!std::filesystem::exists(kReference))
      GTEST_SKIP() << kReference << " is missing: install containernetworking-plugins";
  }
  /// What the reference's version knows nothing of.
  static json::value common(json::value result) {
    for (json::value& each : result.at("interfaces").as_array())
      for (const char* key : {"mtu", "pciID"}) each.as_object().erase(key);
    if (const json::value* dns = result.as_object().if_contains("dns"); dns != nullptr && *dns == json::object())
      result.as_object().erase("dns");
    return result;
  }
  void expect_same(const std::string& text) {
    SCOPED_TRACE(text);
    const auto before = NodeSnapshot::take();
    const PluginResult theirs = reference_.add("host-device", text);
    ASSERT_TRUE(theirs.ok()) << theirs;
    EXPECT_TRUE(reference_.del("host-device", text).ok());
    must_run("ip link set v0 alias rack7");
    std::filesystem::remove_all("/var/lib/cni/networks");  // both begin with the first address
    const PluginResult ours = must_add(text);
    EXPECT_EQ(common(theirs.json), common(ours.json)) << theirs.out << ours.out;
    must_del(text);
    EXPECT_EQ("", lasting_difference(before));
  }
  PluginRunner reference_{kReference, "/usr/lib/cni"};
};

TEST_F(Beside, SameResultForTheSameConfiguration) {
  const std::string rich =
      R"(,"dns":{"nameservers":["10.1.1.1"]},"ipam":{"type":"static","addresses":[{"address":"10.40.0.2/24",)"
      R"("gateway":"10.40.0.1"},{"address":"2001:db8::2/64"}],"routes":[{"dst":"0.0.0.0/0"},{"dst":"10.50.0.0/16",)"
      R"("gw":"10.40.0.9"}],"dns":{"nameservers":["10.2.2.2"],"domain":"example.com"}})";
  for (const char* version : {"0.3.1", "0.4.0", "1.0.0"})
    for (const std::string& more : {std::string(), std::string(kHostLocal), rich}) {
      expect_same(config(R"(,"device":"v0")" + more, version));
      if (HasFatalFailure()) return;
    }
}

TEST_F(Beside, SameResultForEveryWayToNameTheDevice) {
  FakeSysfs sysfs;
  sysfs.add({.address = "0000:3b:02.1", .driver = "iavf", .netdev = "v0"});
  sysfs.add({.address = "0000:3b:02.2", .driver = "vfio-pci", .netdev = ""});
  sysfs.tree().write("devices/pci0000:3a/0000:3b:02.1/net/v0/address", "");
  show_as_sysfs(sysfs);
  for (const char* members :
       {R"(,"hwaddr":"02:00:00:00:0a:01")", R"(,"pciBusID":"0000:3b:02.1")",
        R"(,"kernelpath":"/sys/devices/pci0000:3a/0000:3b:02.1")", R"(,"runtimeConfig":{"deviceID":"0000:3b:02.1"})"}) {
    expect_same(config(members, "1.0.0"));
    if (HasFatalFailure()) return;
  }
}

TEST_F(Beside, SameAddressesOnAUserSpaceDriver) {
  FakeSysfs sysfs;
  sysfs.add({.address = "0000:3b:02.2", .driver = "vfio-pci", .netdev = ""});
  show_as_sysfs(sysfs);
  const std::string text = config(R"(,"pciBusID":"0000:3b:02.2")" + std::string(kHostLocal), "1.0.0");
  const PluginResult theirs = reference_.add("host-device", text);
  if (!theirs.ok()) GTEST_SKIP() << "the reference installed fails on vfio-pci: " << theirs.out;
  EXPECT_TRUE(reference_.del("host-device", text).ok());
  const PluginResult ours = must_add(text);
  EXPECT_EQ(theirs.json.at("ips").at(0).at("gateway"), ours.json.at("ips").at(0).at("gateway")) << theirs.out;
  EXPECT_EQ(theirs.json.at("routes"), ours.json.at("routes"));
}

TEST_F(Beside, WhatTheReferenceAttachedComesBackByOurDel) {
  const std::string text = config(R"(,"device":"v0")" + std::string(kHostLocal), "1.0.0");
  must_run("ip link set v0 alias v0");  // the reference keeps the name in the alias, and clears it
  const auto before = NodeSnapshot::take();
  const auto attach = [&] {
    const PluginResult added = reference_.add("host-device", text);
    ASSERT_TRUE(added.ok()) << added;
    ASSERT_FALSE(exists("", "v0"));
  };
  const auto expect_back = [&](const std::string& del_text, const CniCall& call) {
    must_del(del_text, call);
    EXPECT_EQ(kMac, attribute("", "v0", "address"));
    EXPECT_TRUE(no_reservation_is_left());
    must_run("ip link set v0 alias v0");
    EXPECT_NODE_UNCHANGED(before);
  };
  attach();
  expect_back(text, {});
  attach();
  expect_back(config(R"(,"hwaddr":"02:00:00:00:0a:01")" + std::string(kHostLocal), "1.0.0"), {});
  must_del(text);
  EXPECT_NODE_UNCHANGED(before);
}

TEST_F(Beside, CheckOfWhatTheReferenceAttachedWorks) {
  const std::string text = config(R"(,"device":"v0")", "1.0.0");
  const PluginResult added = reference_.add("host-device", text);
  ASSERT_TRUE(added.ok()) << added;
  const PluginResult checked = runner_.check("host-device", with(text, "prevResult", added.out));
  EXPECT_TRUE(checked.ok()) << checked;
}

}  // namespace
}  // namespace barewire::test
