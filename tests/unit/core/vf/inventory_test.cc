// SPDX-License-Identifier: Apache-2.0
#include "core/vf/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sysfs.h"

namespace barewire::vf {
namespace {

using test::FakeFunction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Netdev names no machine has: what sysfs tells of them the kernel cannot confirm.
constexpr const char* kPf = "bwtestpf0";

class Inventory : public ::testing::Test {
 protected:
  Inventory() {
    FakeFunction pf{"0000:01:00.0", "igb", kPf};
    pf.total_vfs = 7;
    pf.numa_node = 1;
    fake_.add(pf);
    fake_.add({"0000:02:00.0", "e1000e", "bwtestnic0"});
  }

  /// Twelve VFs, so that "virtfn10" sorts before "virtfn2" as text.
  void add_vfs(int count) {
    for (int id = 0; id < count; ++id) {
      const std::string address = fmt::format("0000:01:{:02x}.{}", 0x10 + id / 8, id % 8);
      fake_.add({address, "igbvf", ""});
      fake_.join("0000:01:00.0", id, address);
    }
  }

  void place(const std::string& offset, const std::string& stride) {
    fake_.tree().write("bus/pci/devices/0000:01:00.0/sriov_offset", offset);
    fake_.tree().write("bus/pci/devices/0000:01:00.0/sriov_stride", stride);
  }

  kernel::Sysfs sysfs() const { return kernel::Sysfs(fake_.root()); }

  test::FakeSysfs fake_;
  kernel::NlSocket socket_;
};

std::vector<std::uint32_t> ids(const Pf& pf) {
  std::vector<std::uint32_t> result;
  for (const Vf& vf : pf.vfs) result.push_back(vf.id);
  return result;
}

TEST_F(Inventory, ListsTheFunctionsThatCanHaveVfsAndNoOthers) {
  const auto pfs = list_pfs(sysfs(), socket_);
  ASSERT_EQ(pfs.size(), 1U);
  EXPECT_EQ(pfs[0].pci.address, "0000:01:00.0");
  EXPECT_EQ(pfs[0].pci.driver, "igb");
  EXPECT_EQ(pfs[0].pci.numa_node, 1);
  EXPECT_EQ(pfs[0].total_vfs, 7U);
  EXPECT_THAT(pfs[0].vfs, IsEmpty());
}

TEST_F(Inventory, SortsVfsByNumberAndNotByName) {
  add_vfs(12);
  const auto pfs = list_pfs(sysfs(), socket_);
  ASSERT_EQ(pfs.size(), 1U);
  EXPECT_THAT(ids(pfs[0]), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_EQ(pfs[0].vfs[9].pci.address, "0000:01:11.1");
  EXPECT_EQ(pfs[0].vfs[9].pci.driver, "igbvf");
}

TEST_F(Inventory, AVfWhosePfHasNoNetdevHereHasNoAttributes) {
  add_vfs(1);
  const auto pfs = list_pfs(sysfs(), socket_);
  EXPECT_FALSE(pfs[0].link);
  EXPECT_FALSE(pfs[0].vfs[0].info);
  EXPECT_FALSE(pfs[0].vfs[0].link);
}

TEST_F(Inventory, FindsAPfByPciAddressAndByNetdevName) {
  add_vfs(2);
  for (const char* name : {"0000:01:00.0", "01:00.0", kPf}) {
    const auto pf = find_pf(sysfs(), socket_, name);
    ASSERT_TRUE(pf) << name;
    EXPECT_EQ(pf->pci.address, "0000:01:00.0");
    EXPECT_THAT(ids(*pf), ElementsAre(0, 1));
  }
}

TEST_F(Inventory, FindsNoPfWhereThereIsNone) {
  for (const char* name : {"0000:09:00.0", "0000:02:00.0", "bwtestnic0", "bwtestno", "", "../net/x", "lo"})
    EXPECT_FALSE(find_pf(sysfs(), socket_, name)) << name;
}

TEST_F(Inventory, FindsOneVfAndItsPfWithoutTheOtherVfs) {
  add_vfs(7);
  const auto found = find_vf(sysfs(), socket_, "01:10.3");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->vf.id, 3U);
  EXPECT_EQ(found->vf.pci.address, "0000:01:10.3");
  EXPECT_EQ(found->pf.pci.address, "0000:01:00.0");
  EXPECT_THAT(ids(found->pf), ElementsAre(3));
}

TEST_F(Inventory, ComputesTheNumberOfAVfWhereThePfSaysHow) {
  add_vfs(12);
  place("128\n", "1\n");
  for (const std::uint32_t id : {0U, 1U, 9U, 11U}) {
    const auto place = kernel::find_vf_place(sysfs(), fmt::format("0000:01:{:02x}.{}", 0x10 + id / 8, id % 8));
    ASSERT_TRUE(place) << id;
    EXPECT_EQ(place->id, id);
    EXPECT_EQ(place->pf_address, "0000:01:00.0");
  }
  // Two links to one VF are in no kernel: here the second tells that no other link was looked at.
  fake_.join("0000:01:00.0", 1, "0000:01:11.1");
  EXPECT_EQ(kernel::find_vf_place(sysfs(), "0000:01:11.1")->id, 9U);
}

TEST_F(Inventory, SearchesTheLinksWhereTheComputedNumberIsAnothers) {
  add_vfs(12);
  const std::pair<const char*, const char*> wrong[] = {{"127\n", "1\n"}, {"128\n", "2\n"}, {"128\n", "0\n"},
                                                       {"500\n", "1\n"}, {"-1\n", "1\n"},  {"128\n", "\n"}};
  for (const auto& [offset, stride] : wrong) {
    place(offset, stride);
    const auto found = kernel::find_vf_place(sysfs(), "0000:01:11.1");
    ASSERT_TRUE(found) << offset << stride;
    EXPECT_EQ(found->id, 9U) << offset << stride;
  }
  place("128\n", "0\n");  // of a PF that can have one VF only
  EXPECT_EQ(kernel::find_vf_place(sysfs(), "0000:01:10.0")->id, 0U);
}

TEST_F(Inventory, FindsNoVfAtAPfOrAtNothing) {
  add_vfs(1);
  for (const char* address : {"0000:01:00.0", "0000:02:00.0", "0000:01:10.7", "eth0", ""})
    EXPECT_FALSE(find_vf(sysfs(), socket_, address)) << address;
}

}  // namespace
}  // namespace barewire::vf
