// SPDX-License-Identifier: Apache-2.0
/// Reading and writing /sys under a given root, which is the seam for tests.
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
  std::string path(std::string_view relative) const;
  /// Trimmed content; nullopt when missing or when the driver refuses to say (EOPNOTSUPP, EINVAL, EIO).
  std::optional<std::string> read(std::string_view relative) const;
  std::optional<std::int64_t> read_integer(std::string_view relative) const;
  /// Throws Error{kernel} "writing V to PATH failed: …" with errno kept (KernelError).
  void write(std::string_view relative, std::string_view value) const;
  /// Last component of a symlink's target; nullopt when it is missing.
  std::optional<std::string> link_name(std::string_view relative) const;
  bool exists(std::string_view relative) const;
  /// Sorted names; empty when missing. Throws Error{io} when it cannot be listed to its end.
  std::vector<std::string> list(std::string_view relative) const;

 private:
  std::string root_;
};

}  // namespace barewire::kernel
