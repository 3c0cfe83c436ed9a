// SPDX-License-Identifier: Apache-2.0
/// A node with one PF and four VFs, a kubelet of the tests' own, and the built daemon between them.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <iostream>

#include "core/fd.h"
#include "core/state/allocation.h"
#include "tests/plugin/device-manager/admin_fixture.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/kubelet.h"

namespace barewire::test {

inline constexpr std::chrono::seconds kLong{30};
inline constexpr const char* kResource = "example.com/dpdk";
inline constexpr const char* kPools = R"({"prefix":"example.com","pools":{
  "dpdk":{"vfs":["0000:01:00.0#0-3"],"driver":"vfio-pci"}}})";

inline std::string vf(int id) {
  return fmt::format("0000:01:10.{}", id);
}

/// A node with one PF and four VFs on vfio-pci, and the daemon on it.
class KubeletTest : public AdminTest {
 protected:
  void SetUp() override {
    AdminTest::SetUp();
    if (IsSkipped()) return;
    sysfs_.add({.address = "0000:01:00.0", .driver = "igb", .netdev = "", .device = 0x10c9, .total_vfs = 7});
    for (int i = 0; i < 4; ++i) add_vf(i, "vfio-pci");
    must_run("mount --bind " + sysfs_.root() + " /sys");
    write_pools(kPools);
  }
  void TearDown() override {
    if (HasFailure() && daemon_) {
      daemon_->signal(SIGTERM);
      std::cerr << daemon_->wait(kLong).err;
    }
    daemon_.reset();
    kubelet_.reset();
    ::umount2("/sys", MNT_DETACH);
  }
  void add_vf(int id, const std::string& driver) {
    sysfs_.add({.address = vf(id),
                .driver = driver,
                .netdev = "",
                .device = 0x10ca,
                .numa_node = 1,
                .iommu_group = std::to_string(40 + id)});
    sysfs_.join("0000:01:00.0", id, vf(id));
  }
  /// The kernel would tell of it; here a link that comes and goes does.
  void bind(int id, const std::string& driver) {
    sysfs_.tree().link("bus/pci/devices/" + vf(id) + "/driver", "../../../../bus/pci/drivers/" + driver);
    must_run("ip link add wake type veth peer name wake1; ip link del wake");
  }
  void write_pools(const std::string& pools) {
    write_file_atomically("/run/pools.json", pools, Durability::until_reboot);
  }
  void start_kubelet(bool with_watcher) {
    kubelet_.emplace(directory_ / "kubelet", with_watcher);
    kubelet_->start();
  }
  Command daemon_command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {
        "--own-pid-namespace", "--interval",           "1",       "--grace",        "1",
        "--kubelet",           directory_ / "kubelet", "--pools", "/run/pools.json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return command_of(built_program("barewired"), arguments);
  }
  void start_daemon(const std::vector<std::string>& more = {}) { daemon_.emplace(daemon_command(more)); }
  void kill_daemon() {
    daemon_->signal(SIGKILL);
    daemon_->wait(kLong);
    daemon_.reset();
  }
  bool is_listed(std::size_t count, const std::string& resource = kResource) {
    return within(kLong, [&] {
      kubelet_->look_for_plugins();
      return kubelet_->devices(resource).size() == count;
    });
  }
  bool becomes(int id, const std::string& health) {
    return within(kLong, [&] { return kubelet_->devices(kResource)[vf(id)] == health; });
  }
  static std::optional<state::Allocation> promise(int id) {
    return state::Allocations("/var/lib/cni/barewire/allocations").find(vf(id));
  }
  std::string refusal(const std::vector<std::string>& devices) {
    try {
      kubelet_->allocate(kResource, devices, "refused");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TempDir directory_;
  FakeSysfs sysfs_;
  std::optional<TestKubelet> kubelet_;
  std::optional<ChildProcess> daemon_;
};

}  // namespace barewire::test
