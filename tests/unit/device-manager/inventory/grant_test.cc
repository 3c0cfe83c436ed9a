// SPDX-License-Identifier: Apache-2.0
#include "device-manager/inventory/grant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sysfs.h"

namespace barewire::inventory {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class GrantTest : public ::testing::Test {
 protected:
  GrantTest() {
    pool_.prefix = "intel.com";
    pool_.name = "my-vf";
    device_.id = "0000:01:10.0";
    device_.driver = "iavf";
    for (const char* node : {"dev/vhost-net", "dev/net/tun", "dev/infiniband/rdma_cm"}) sysfs_.tree().write(node, "");
  }
  DevRoots roots() const { return {kernel::Sysfs(sysfs_.root()), sysfs_.root() + "/dev"}; }
  Grant give(bool use_cdi = false) { return grant(pool_, {member()}, roots(), use_cdi); }
  Member member() const { return {&device_, &selector_}; }
  std::string info() { return give().environment.at("PCIDEVICE_INTEL_COM_MY-VF_INFO"); }

  test::FakeSysfs sysfs_;
  Pool pool_;
  Selector selector_;
  Device device_;
};

TEST_F(GrantTest, AKernelVfIsNamedAndBringsNoNode) {
  const Grant grant = give();
  EXPECT_THAT(grant.environment,
              UnorderedElementsAre(Pair("PCIDEVICE_INTEL_COM_MY-VF", "0000:01:10.0"),
                                   Pair("PCIDEVICE_INTEL_COM_MY-VF_INFO",
                                        R"({"0000:01:10.0":{"generic":{"deviceID":"0000:01:10.0"}}})")));
  EXPECT_THAT(grant.nodes, IsEmpty());
  EXPECT_THAT(give(true).annotations, IsEmpty());
}

TEST_F(GrantTest, AVfioGroupWithoutProtectionHasAnotherNameOnTheHost) {
  device_.driver = "vfio-pci";
  device_.iommu_group = "7";
  device_.noiommu = true;
  EXPECT_THAT(give().nodes, ElementsAre(DeviceNode{"/dev/vfio/vfio", "/dev/vfio/vfio"},
                                        DeviceNode{"/dev/vfio/noiommu-7", "/dev/vfio/7"}));
}

TEST_F(GrantTest, AdditionalInfoOfTheDeviceComesBeforeThatOfAll) {
  pool_.additional_info = {{"*", {{"token", "all"}, {"zone", "<b>"}}}, {"0000:01:10.0", {{"token", "one"}}}};
  EXPECT_EQ(info(), R"({"0000:01:10.0":{"extra":{"token":"one","zone":"\u003cb\u003e"},)"
                    R"("generic":{"deviceID":"0000:01:10.0"}}})");
  pool_.additional_info->clear();
  EXPECT_EQ(info(), R"({"0000:01:10.0":{"extra":{},"generic":{"deviceID":"0000:01:10.0"}}})");
}

TEST_F(GrantTest, RdmaBringsItsCharacterDevicesInThePeersOrder) {
  selector_.rdma = true;
  device_.rdma = {"mlx5_4"};
  for (const char* name : {"infiniband_mad/umad4", "infiniband_mad/issm4", "infiniband_verbs/uverbs4"})
    sysfs_.tree().write(std::string("class/") + name + "/ibdev", "mlx5_4\n");
  sysfs_.tree().write("class/infiniband_verbs/uverbs0/ibdev", "mlx5_0\n");
  std::vector<std::string> paths;
  for (const DeviceNode& node : give().nodes) paths.push_back(node.host_path);
  EXPECT_THAT(paths, ElementsAre("/dev/infiniband/issm4", "/dev/infiniband/umad4", "/dev/infiniband/uverbs4",
                                 "/dev/infiniband/rdma_cm"));
  EXPECT_EQ(info(), R"({"0000:01:10.0":{"generic":{"deviceID":"0000:01:10.0"},"rdma":{"issm":"/dev/infiniband/issm4",)"
                    R"("rdma_cm":"/dev/infiniband/rdma_cm","rdma_dev":"mlx5_4","umad":"/dev/infiniband/umad4",)"
                    R"("uverbs":"/dev/infiniband/uverbs4"}}})");
  EXPECT_EQ(device_info(member()),
            R"({"type":"pci","version":"1.1.0","pci":{"pci-address":"0000:01:10.0","rdma-device":"mlx5_4"}})");
}

TEST_F(GrantTest, VhostNetAndVdpaComeWithTheirNodes) {
  selector_.vhost_net = true;
  selector_.vdpa_type = "vhost";
  device_.vdpa = Vdpa{"vdpa0", "vhost_vdpa", "/dev/vhost-vdpa-0"};
  std::vector<std::string> paths;
  for (const DeviceNode& node : give().nodes) paths.push_back(node.host_path);
  EXPECT_THAT(paths, ElementsAre("/dev/vhost-vdpa-0", "/dev/vhost-net", "/dev/net/tun"));
  EXPECT_EQ(info(), R"({"0000:01:10.0":{"generic":{"deviceID":"0000:01:10.0"},"vdpa":{"mount":"/dev/vhost-vdpa-0"},)"
                    R"("vhost":{"net-mount":"/dev/vhost-net","tun-mount":"/dev/net/tun"}}})");
  EXPECT_EQ(device_info(member()),
            R"({"type":"vdpa","version":"1.1.0","vdpa":{"parent-device":"vdpa0","driver":"vhost",)"
            R"("path":"/dev/vhost-vdpa-0","pci-address":"0000:01:10.0"}})");
}

TEST_F(GrantTest, ByCdiTheNodesStandInASpecification) {
  device_.driver = "vfio-pci";
  device_.iommu_group = "7";
  const Grant grant = give(true);
  EXPECT_THAT(grant.nodes, IsEmpty());
  EXPECT_THAT(grant.annotations, ElementsAre(Pair("cdi.k8s.io/intel.com_net-pci", "intel.com/net-pci=0000:01:10.0")));
  EXPECT_EQ(cdi_specification(pool_, {member()}, roots()),
            R"({"cdiVersion":"0.5.0","kind":"intel.com/net-pci","devices":[{"name":"0000:01:10.0","containerEdits":)"
            R"({"deviceNodes":[{"path":"/dev/vfio/vfio","hostPath":"/dev/vfio/vfio","permissions":"rw"},)"
            R"({"path":"/dev/vfio/7","hostPath":"/dev/vfio/7","permissions":"rw"}]}}]})");
  EXPECT_EQ(cdi_file_name(pool_), "sriov-dp-intel.com-net-pci-my-vf.json");
  EXPECT_EQ(device_info_file_name(pool_, device_.id), "intel.com-my-vf-0000:01:10.0-device.json");
}

}  // namespace
}  // namespace barewire::inventory
