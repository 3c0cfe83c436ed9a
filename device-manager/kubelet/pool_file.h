// SPDX-License-Identifier: Apache-2.0
/// The file that declares the pools, read again whenever it has changed. Who offers devices to kubelet, by whichever
/// API, has one.
#pragma once

#include <string>

#include "device-manager/inventory/pool.h"
#include "device-manager/kubelet/settings.h"

namespace barewire::kubelet {

class PoolFile {
 public:
  /// `settings` says where; it outlives this.
  explicit PoolFile(const Settings& settings) : settings_(settings) {}

  enum class News {
    none,
    read,     ///< config() is new
    missing,  ///< there is no such file; config() stays
    wrong,    ///< failure() says why; config() stays
  };
  News look();

  const inventory::PoolConfig& config() const noexcept { return config_; }
  const std::string& path() const noexcept { return path_; }
  const std::string& failure() const noexcept { return failure_; }

 private:
  const Settings& settings_;
  std::string path_;
  std::string bytes_;  ///< of the file as it was read last
  inventory::PoolConfig config_;
  std::string failure_;
};

}  // namespace barewire::kubelet
