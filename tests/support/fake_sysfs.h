// SPDX-License-Identifier: Apache-2.0
/// A sysfs tree in a private directory, holding the PCI functions a test describes; removed at the end.
#pragma once

#include <fmt/format.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace barewire::test {

/// A directory of its own under the temporary directory.
class PrivateDirectory {
 public:
  PrivateDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "barewire-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  ~PrivateDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_.string(); }
  std::string write(const std::string& relative, std::string_view text) const {
    const auto file = path_ / relative;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return file.string();
  }
  void link(const std::string& relative, const std::string& target) const {
    const auto file = path_ / relative;
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::remove(file);
    std::filesystem::create_symlink(target, file);
  }

 private:
  std::filesystem::path path_;
};

/// One PCI function of the fake tree.
struct FakeFunction {
  std::string address;
  std::string driver;  ///< empty: unbound
  std::string netdev;  ///< empty: none here
  std::uint16_t vendor = 0x8086;
  std::uint16_t device = 0x10c9;
  int total_vfs = 0;  ///< above 0: a PF
  int numa_node = -1;
  std::string iommu_group = {};
};

class FakeSysfs {
 public:
  void add(const FakeFunction& function) {
    const std::string base = "bus/pci/devices/" + function.address + "/";
    tree_.write(base + "vendor", fmt::format("{:#06x}\n", function.vendor));
    tree_.write(base + "device", fmt::format("{:#06x}\n", function.device));
    tree_.write(base + "class", "0x020000\n");
    tree_.write(base + "numa_node", fmt::format("{}\n", function.numa_node));
    if (!function.driver.empty()) {
      tree_.link(base + "driver", "../../../../bus/pci/drivers/" + function.driver);
      tree_.link("bus/pci/drivers/" + function.driver + "/" + function.address, "../../devices/" + function.address);
    }
    if (!function.iommu_group.empty())
      tree_.link(base + "iommu_group", "../../../../kernel/iommu_groups/" + function.iommu_group);
    if (!function.netdev.empty()) add_netdev(function.address, function.netdev);
    if (function.total_vfs > 0) {
      tree_.write(base + "sriov_totalvfs", fmt::format("{}\n", function.total_vfs));
      tree_.write(base + "sriov_numvfs", "0\n");
    }
  }
  /// Makes `vf`, already added, VF number `id` of `pf`.
  void join(const std::string& pf, int id, const std::string& vf) {
    tree_.link(fmt::format("bus/pci/devices/{}/virtfn{}", pf, id), "../" + vf);
    tree_.link(fmt::format("bus/pci/devices/{}/physfn", vf), "../" + pf);
    tree_.write(fmt::format("bus/pci/devices/{}/sriov_numvfs", pf), fmt::format("{}\n", id + 1));
  }
  void add_netdev(const std::string& address, const std::string& netdev, const std::string& port_name = {}) {
    const std::string base = fmt::format("bus/pci/devices/{}/net/{}/", address, netdev);
    tree_.write(base + "address", "02:00:00:00:00:01\n");
    if (!port_name.empty()) tree_.write(base + "phys_port_name", port_name + "\n");
    tree_.link(base + "device", "../../../" + address);
    tree_.link("class/net/" + netdev, fmt::format("../../bus/pci/devices/{}/net/{}", address, netdev));
  }
  std::string root() const { return tree_.path(); }
  const PrivateDirectory& tree() const { return tree_; }

 private:
  PrivateDirectory tree_;
};

}  // namespace barewire::test
