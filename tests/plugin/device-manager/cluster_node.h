// SPDX-License-Identifier: Apache-2.0
/// One of several nodes of a cluster on this machine: a sysfs, a /run/barewire and a /var/lib of its own, in a mount
/// namespace in which its daemon runs. A thread plays its kernel, which makes VFs when their number is written, and its
/// kubelet, which gives VFs back when their pod is gone.
#pragma once

#include <atomic>
#include <filesystem>
#include <thread>

#include "core/fd.h"
#include "core/state/allocation.h"
#include "device-manager/kubernetes/api_client.h"
#include "tests/support/command.h"
#include "tests/support/fake_sysfs.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/plugin_runner.h"
#include "tests/support/within.h"

namespace barewire::test {

class ClusterNode {
 public:
  static constexpr const char* kPf = "0000:01:00.0";
  static std::string vf(int id) { return fmt::format("0000:01:10.{}", id); }

  /// Its uplink is the link `name`, which is made here.
  ClusterNode(std::string name, const kubernetes::Cluster& cluster)
      : name_(std::move(name)), api_(cluster), allocations_(lib() + "/cni/barewire/allocations") {
    must_run(fmt::format("ip link add {0} type veth peer name {0}x; ip link set {0} up", name_));
    sysfs_.add({.address = kPf, .driver = "igb", .netdev = name_, .device = 0x10c9, .total_vfs = 7});
    sysfs_.tree().write("bus/pci/drivers/vfio-pci/new_id", "");
    std::filesystem::create_directories(directory_ / "run");
    std::filesystem::create_directories(lib() + "/cni");
    kernel_ = std::thread([this] { play(); });
  }
  ~ClusterNode() {
    stopping_ = true;
    kernel_.join();
  }
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  const std::string& name() const { return name_; }
  std::string lib() const { return directory_ / "lib"; }
  std::string kept() const { return lib() + "/barewire/cluster.json"; }

  void start() {
    daemon_.emplace(inside({built_program("barewired"), "--own-pid-namespace", "--interval", "1", "--kubelet",
                            directory_ / "no-kubelet", "--kubeconfig", "/run/kubeconfig", "--node-name", name_,
                            "--cluster-policies", "--cluster-namespace", "sriov"}));
  }
  /// What its daemon said.
  std::string stop(int signal = SIGTERM) {
    if (!daemon_) return {};
    daemon_->signal(signal);
    const std::string said = daemon_->wait(std::chrono::seconds(30)).err;
    daemon_.reset();
    return said;
  }
  CommandResult run(const std::vector<std::string>& command) const { return test::run(inside(command)); }

  int vfs() const {
    int count = 0;
    for (int id = 0; id < 7; ++id) count += std::filesystem::is_symlink(pf_directory() + fmt::format("/virtfn{}", id));
    return count;
  }
  /// By hand; returns when the kernel has done it. The daemon may put it right at once.
  void set_vfs(int count) {
    const int before = changes_;
    sysfs_.tree().write(number_file(), std::to_string(count));
    within(std::chrono::seconds(10), [&] { return changes_ != before; });
  }
  /// As kubelet's device plugin manager would have it.
  void give(int id, const std::string& pod) {
    const std::lock_guard lock(mutex_);
    allocations_.save({.device = vf(id), .by = "device-plugin", .owner = "x/y", .pod = {"default", pod, "uid-" + pod}});
  }

 private:
  static std::string number_file() { return fmt::format("bus/pci/devices/{}/sriov_numvfs", kPf); }
  std::string pf_directory() const { return fmt::format("{}/bus/pci/devices/{}", sysfs_.root(), kPf); }

  Command inside(std::vector<std::string> command) const {
    const std::string script = fmt::format(
        "mkdir -p /run/barewire && mount --bind {} /sys && mount --bind {} /run/barewire && mount --bind {} /var/lib "
        "&& "
        "exec \"$@\"",
        sysfs_.root(), directory_ / "run", lib());
    std::vector<std::string> arguments = {"-m", "--propagation", "private", "sh", "-c", script, "sh"};
    arguments.insert(arguments.end(), command.begin(), command.end());
    return command_of("unshare", std::move(arguments));
  }

  void play() {
    int made = 0;
    for (int turn = 0; !stopping_; ++turn) {
      const auto text = read_file(sysfs_.root() + "/" + number_file());
      const int wanted = text && !text->empty() ? std::atoi(text->c_str()) : made;
      if (wanted != made) make_vfs(made = wanted), ++changes_;
      if (turn % 10 == 0) give_back();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void make_vfs(int count) {
    for (int id = 0; id < 7; ++id) {
      std::filesystem::remove(pf_directory() + fmt::format("/virtfn{}", id));
      std::filesystem::remove_all(sysfs_.root() + "/bus/pci/devices/" + vf(id));
    }
    for (int id = 0; id < count; ++id) {
      sysfs_.add({.address = vf(id), .driver = "vfio-pci", .netdev = "", .device = 0x10ca});
      sysfs_.tree().link(fmt::format("bus/pci/devices/{}/physfn", vf(id)), std::string("../") + kPf);
      sysfs_.tree().link(fmt::format("bus/pci/devices/{}/virtfn{}", kPf, id), "../" + vf(id));
    }
  }
  void give_back() {
    const std::lock_guard lock(mutex_);
    for (const state::Allocation& each : allocations_.list())
      if (api_.call({.path = "/test/object/api/v1/namespaces/default/pods/" + each.pod.name}).status == 404)
        allocations_.remove(each.device);
  }

  std::string name_;
  TempDir directory_;
  FakeSysfs sysfs_;
  kubernetes::ApiClient api_;
  std::mutex mutex_;
  state::Allocations allocations_;  ///< under mutex_
  std::optional<ChildProcess> daemon_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> changes_ = 0;  ///< of the number of VFs
  std::thread kernel_;
};

}  // namespace barewire::test
