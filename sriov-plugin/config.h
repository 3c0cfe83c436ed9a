// SPDX-License-Identifier: Apache-2.0
/// The network config of the sriov plugin: every key, checked before anything is touched. docs/configuration/sriov.md
/// explains the keys to users.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cni/request.h"
#include "core/vf/inventory.h"
#include "core/vf/record.h"

namespace barewire::sriov {

struct Config {
  std::optional<std::string> device;  ///< PCI address of the VF; absent: one of `pool`
  std::vector<vf::VfRange> pool;
  std::string pool_text;  ///< as written, for messages
  /// What the VFs of the pool have to be bound to: kNetdev is any driver of the kernel, else one of
  /// kernel::is_userspace_driver.
  std::string pool_driver = kNetdev;
  static constexpr const char* kNetdev = "netdev";
  bool strict_status = false;  ///< STATUS fails while no VF of the pool is free
  vf::Settings settings;
  std::string device_info_file;  ///< runtimeConfig.CNIDeviceInfoFile; may be empty

  /// For ADD: a device or a pool must be named. Throws Error{config} naming key, value and what was expected.
  /// `device` (a PCI address) overrides what the config names.
  static Config parse(const cni::Request& request, const std::optional<std::string>& device = std::nullopt);
  /// For STATUS: neither needs to be named, and the rest is not looked at.
  static Config parse_pool(const cni::Request& request);
};

}  // namespace barewire::sriov
