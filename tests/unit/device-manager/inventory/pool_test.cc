// SPDX-License-Identifier: Apache-2.0
#include "device-manager/inventory/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace barewire::inventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Device vf(int number, const std::string& driver = "iavf") {
  Device device;
  device.id = fmt::format("0000:01:10.{}", number);
  device.vendor = "8086";
  device.device = "154c";
  device.driver = driver;
  device.pf = "0000:01:00.0";
  device.pf_names = {"ens1f0", "uplink0"};
  device.number = number;
  device.link_type = "ether";
  device.acpi_index = "101";
  return device;
}

PoolConfig parse(const std::string& text) {
  return parse_pools(text, "pools.json", "");
}
Pool resource(const std::string& members) {
  const PoolConfig config = parse(R"({"resourceList":[{"resourceName":"r")" + members + "}]}");
  EXPECT_THAT(config.problems, IsEmpty());
  return config.pools.empty() ? Pool{} : config.pools.front();
}
bool selects(const std::string& selectors, const Device& device) {
  const Pool pool = resource(R"(,"selectors":)" + selectors);
  return !assign({pool}, {device}, {}).members.front().empty();
}
std::string problem(const std::string& members) {
  const PoolConfig config = parse(R"({"resourceList":[{"resourceName":"r")" + members + "}]}");
  return config.problems.empty() ? "" : config.problems.front();
}

TEST(ResourceList, EverySelectorNarrows) {
  const Device device = vf(3);
  for (const char* fits :
       {R"({"vendors":["15b3","8086"]})", R"({"devices":["154C"]})", R"({"drivers":["iavf"]})",
        R"({"pciAddresses":["0000:01:10.3"]})", R"({"acpiIndexes":["101"]})", R"({"pfNames":["ens1f0"]})",
        R"({"pfNames":["ENS1F0#0,2-7"]})", R"({"pfNames":["uplink0#3"]})", R"({"rootDevices":["0000:01:00.0#3-3"]})",
        R"({"linkTypes":["ether"]})", R"({"isRdma":false,"needVhostNet":true})", "{}", "null",
        R"([{"vendors":["15b3"]},{"vendors":["8086"]}])", R"({"VENDORS":["8086"]})"})
    EXPECT_TRUE(selects(fits, device)) << fits;
  for (const char* other :
       {R"({"vendors":["15b3"]})", R"({"devices":["1889"]})", R"({"drivers":["vfio-pci"]})",
        R"({"pciAddresses":["0000:01:10.4"]})", R"({"acpiIndexes":["1"]})", R"({"pfNames":["ens1f1"]})",
        R"({"pfNames":["ens1f0#0-2,4"]})", R"({"rootDevices":["0000:02:00.0"]})", R"({"linkTypes":["infiniband"]})",
        R"({"isRdma":true})", R"({"vdpaType":"vhost"})", R"({"vendors":["8086"],"drivers":["igbvf"]})"})
    EXPECT_FALSE(selects(other, device)) << other;
}

TEST(ResourceList, RdmaAndVdpaAreAskedOfTheDevice) {
  Device device = vf(0);
  device.rdma = {"mlx5_4"};
  EXPECT_TRUE(selects(R"({"isRdma":true})", device));
  device.vdpa = Vdpa{"vdpa0", "vhost_vdpa", "/dev/vhost-vdpa-0"};
  EXPECT_TRUE(selects(R"({"vdpaType":"vhost"})", device));
  EXPECT_FALSE(selects(R"({"vdpaType":"virtio"})", device));
}

TEST(ResourceList, WhatMakesAPoolWrongIsNamedAndTheOthersStay) {
  const PoolConfig config = parse(R"({"resourceList":[
    {"resourceName":"a","selectors":{"vendor":["8086"]}},
    {"resourceName":"b"},
    {"resourceName":"b"},
    {"resourceName":"c d"},
    {"resourceName":"e","selectors":{"pfNames":["ens1f0#3-1"]}},
    {"resourceName":"f","deviceType":"gpu"},
    {"selectors":{}}]})");
  ASSERT_THAT(config.pools, SizeIs(1));
  EXPECT_EQ(config.pools.front().resource(), "intel.com/b");
  EXPECT_THAT(config.problems,
              ElementsAre(HasSubstr("resourceList[0].selectors.vendor"), HasSubstr("intel.com/b is declared twice"),
                          HasSubstr("resourceList[3].resourceName"), HasSubstr("resourceList[4].selectors.pfNames[0]"),
                          HasSubstr("resourceList[5].deviceType"), HasSubstr("resourceList[6].resourceName")));
}

TEST(ResourceList, KeysThatExcludeEachOtherAreRefused) {
  EXPECT_THAT(problem(R"(,"selectors":{"isRdma":true,"vdpaType":"vhost"})"), HasSubstr("vdpaType"));
  EXPECT_THAT(problem(R"(,"selectors":[])"), HasSubstr("at least one selector"));
  EXPECT_THAT(problem(R"(,"deviceType":"accelerator","selectors":{"pfNames":["x"]})"), HasSubstr("pfNames"));
  EXPECT_THAT(problem(R"(,"selectors":{"ddpProfiles":["GTPv1"]})"), HasSubstr("ddpProfiles"));
}

TEST(ResourceList, TheRestOfAResourceIsRead) {
  const Pool pool = resource(R"(,"resourcePrefix":"example.com","excludeTopology":true,"policy":"spread",
    "additionalInfo":{"*":{"token":"t"},"0000:01:10.0":{"token":"u"}})");
  EXPECT_EQ(pool.resource(), "example.com/r");
  EXPECT_FALSE(pool.topology);
  EXPECT_EQ(pool.policy, Policy::spread);
  EXPECT_EQ(pool.additional_info->at("*").at("token"), "t");
  EXPECT_FALSE(resource("").additional_info);
}

TEST(ShortForm, APoolIsOneLine) {
  const PoolConfig config = parse(R"({"pools":{"fast":{"vfs":["ens1f0#0-3","0000:02:00.0"]},
    "dpdk":{"vfs":"ens1f0#4","driver":"vfio-pci","policy":"distinct-pf","carrier":true}}})");
  EXPECT_THAT(config.problems, IsEmpty());
  ASSERT_THAT(config.pools, SizeIs(2));
  EXPECT_EQ(config.pools[0].resource(), "barewire.io/fast");
  EXPECT_EQ(config.pools[0].driver_mode, "netdev");
  EXPECT_EQ(config.pools[1].driver_mode, "vfio-pci");
  EXPECT_TRUE(config.pools[1].follow_carrier);
  Device other = vf(9);
  other.pf = "0000:02:00.0";
  other.pf_names = {"ens2"};
  const Membership membership = assign(config.pools, {vf(1), vf(4), vf(5), other}, {});
  EXPECT_THAT(membership.members[0], SizeIs(2));
  EXPECT_THAT(membership.members[1], SizeIs(1));
}

TEST(ShortForm, KeysAreChecked) {
  EXPECT_THAT(parse(R"({"pools":{"a":{"vfs":"x","speed":1}}})").problems, ElementsAre(HasSubstr("pools.a.speed")));
  EXPECT_THAT(parse(R"({"pools":{"a":{"vfs":[]}}})").problems, ElementsAre(HasSubstr("pools.a.vfs")));
  EXPECT_THAT(parse(R"({"pools":{"a":{"vfs":"x","driver":"igbvf"}}})").problems,
              ElementsAre(HasSubstr("pools.a.driver")));
  EXPECT_THROW(parse("{}"), Error);
  EXPECT_THROW(parse("[1]"), Error);
}

TEST(Assign, TheFirstPoolHasADeviceThatTwoWantAndSaysSo) {
  const PoolConfig config = parse(R"({"pools":{"a":{"vfs":"ens1f0"},"b":{"vfs":"ens1f0#1"}}})");
  const Membership membership = assign(config.pools, {vf(0), vf(1)}, {});
  EXPECT_THAT(membership.members[0], SizeIs(2));
  EXPECT_THAT(membership.members[1], IsEmpty());
  EXPECT_THAT(membership.overlaps,
              ElementsAre("0000:01:10.1 matches barewire.io/a and barewire.io/b; barewire.io/a has it"));
}

TEST(Assign, APromisedDeviceStaysInItsPoolWhateverItLooksLike) {
  const PoolConfig config = parse(R"({"resourceList":[{"resourceName":"a","selectors":{"linkTypes":["ether"]}},
    {"resourceName":"b"}]})");
  Device moved = vf(0);
  moved.link_type.clear();
  const Membership membership = assign(config.pools, {moved}, {{moved.id, "intel.com/a"}});
  ASSERT_THAT(membership.members[0], SizeIs(1));
  EXPECT_EQ(membership.members[0][0].selector, nullptr);
  EXPECT_THAT(membership.members[1], IsEmpty());
}

TEST(Assign, APfWithVfsAndAnUnboundDeviceAreNotOffered) {
  const PoolConfig config = parse(R"({"resourceList":[{"resourceName":"a"}]})");
  Device pf = vf(0), unbound = vf(1, "");
  pf.has_vfs = true;
  EXPECT_THAT(assign(config.pools, {pf, unbound}, {}).members[0], IsEmpty());
}

}  // namespace
}  // namespace barewire::inventory
