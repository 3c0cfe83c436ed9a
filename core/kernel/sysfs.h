// SPDX-License-Identifier: Apache-2.0
/// Reading and writing /sys under a given root, which is the seam for tests. pci.h and the inventory stand on it.
/// Reading throws Error{io} where the file is there and cannot be opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace barewire::kernel {

/// A tree of small text attributes; `root` is "/sys" or a test's fake tree.
class Sysfs {
 public:
  explicit Sysfs(std::string root = "/sys") : root_(std::move(root)) {}
  const std::string& root() const noexcept { return root_; }
  /// Of "class/net/ens1f0/mtu" and the like: `relative` is below the root, here and in all that follows.
  std::string path(std::string_view relative) const;
  /// Trimmed content; nullopt when missing or when the driver refuses to say (EOPNOTSUPP, EINVAL, EIO).
  std::optional<std::string> read(std::string_view relative) const;
  /// Decimal, or hexadecimal after "0x"; nullopt also for other text.
  std::optional<std::int64_t> read_integer(std::string_view relative) const;
  /// Throws Error{kernel} "writing V to PATH failed: …" with errno kept (KernelError).
  void write(std::string_view relative, std::string_view value) const;
  /// Last component of a symlink's target; nullopt when it is missing.
  std::optional<std::string> link_name(std::string_view relative) const;
  /// Follows links: false for one that leads nowhere.
  bool exists(std::string_view relative) const;
  /// Sorted names; empty when missing. Throws Error{io} when it cannot be listed to its end.
  std::vector<std::string> list(std::string_view relative) const;

 private:
  std::string root_;
};

}  // namespace barewire::kernel
