// SPDX-License-Identifier: Apache-2.0
/// The file that declares the pools, read again whenever it has changed. Who offers devices to kubelet, by whichever
/// API, has one.
#pragma once

#include <string>

#include "device-manager/inventory/pool.h"
#include "device-manager/kubelet/settings.h"

namespace barewire::kubelet {

/// Remembers the last good configuration: a slip in the file must not take devices from a node that works.
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
  /// Reads the file. What is returned once is `none` afterwards, until the bytes change again; a missing file is told
  /// each time.
  News look();

  /// Of the last good file; no pools before there was one.
  const inventory::PoolConfig& config() const noexcept { return config_; }
  /// As the last look found it; empty: there is none at any of the usual places.
  const std::string& path() const noexcept { return path_; }
  /// With its hint, in one line; of the last file that was wrong.
  const std::string& failure() const noexcept { return failure_; }

 private:
  const Settings& settings_;
  std::string path_;
  std::string bytes_;  ///< of the file as it was read last
  inventory::PoolConfig config_;
  std::string failure_;
};

}  // namespace barewire::kubelet
