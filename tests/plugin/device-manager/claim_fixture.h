// SPDX-License-Identifier: Apache-2.0
/// A node with four VFs for claims, and an API server that knows it.
#pragma once

#include <sys/mount.h>

#include "core/fd.h"
#include "core/state/claim_record.h"
#include "device-manager/dra/messages.h"
#include "tests/plugin/device-manager/admin_fixture.h"
#include "tests/support/api_server.h"
#include "tests/support/claim_json.h"
#include "tests/support/fake_sysfs.h"

namespace barewire::test {

inline constexpr const char* kPools = R"({"prefix":"example.com","pools":{
  "dpdk":{"vfs":["0000:01:00.0#0-3"],"driver":"vfio-pci","offer":"both"}}})";

inline std::string vf(int id) {
  return fmt::format("0000:01:10.{}", id);
}
inline std::string device(int id) {
  return fmt::format("0000-01-10-{}", id);
}

/// A node with one PF and four VFs on vfio-pci.
class ClaimTest : public AdminTest {
 protected:
  void SetUp() override {
    AdminTest::SetUp();
    if (IsSkipped()) return;
    make_private_directory("/var/run/cdi");
    sysfs_.add({.address = "0000:01:00.0", .driver = "igb", .netdev = "", .device = 0x10c9, .total_vfs = 7});
    for (int i = 0; i < 4; ++i) {
      sysfs_.add({.address = vf(i),
                  .driver = "vfio-pci",
                  .netdev = "",
                  .device = 0x10ca,
                  .iommu_group = std::to_string(40 + i)});
      sysfs_.join("0000:01:00.0", i, vf(i));
    }
    must_run("mount --bind " + sysfs_.root() + " /sys");
    write_file_atomically("/run/pools.json", kPools, Durability::until_reboot);
    server_.emplace();
    server_->put("/api/v1/nodes/n1", R"({"metadata":{"name":"n1","uid":"node-uid"}})");
  }
  void TearDown() override { ::umount2("/sys", MNT_DETACH); }
  void put(const TestClaim& claim) { server_->put(claim.path(), claim.json()); }
  static dra::ClaimRef ref(const TestClaim& claim) { return {"default", claim.uid, claim.name}; }
  static std::optional<state::Allocation> promise(int id) {
    return state::Allocations("/var/lib/cni/barewire/allocations").find(vf(id));
  }
  static std::vector<state::ClaimRecord> records() {
    return state::ClaimRecords("/var/lib/cni/barewire/claims").list();
  }
  static std::string cdi_path(const TestClaim& claim) {
    return "/var/run/cdi/barewire.io-claim_" + claim.uid + ".json";
  }
  static std::string device_info(int id) {
    return fmt::format("/run/k8s.cni.cncf.io/devinfo/dp/example.com-dpdk-{}-device.json", vf(id));
  }

  FakeSysfs sysfs_;
  std::optional<TestApiServer> server_;
};

}  // namespace barewire::test
