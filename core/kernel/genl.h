// SPDX-License-Identifier: Apache-2.0
/// Generic netlink: a socket that talks to one family by name. devlink.cc and ethtool.cc stand on it.
/// Source: Documentation/userspace-api/netlink/intro.rst; include/uapi/linux/genetlink.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/kernel/netlink.h"

namespace barewire::kernel {

class GenlSocket {
 public:
  /// In the caller's netns; nullopt when this kernel has no such family. Throws KernelError.
  static std::optional<GenlSocket> open(const std::string& family);
  /// A message of this family, to be sent with socket().
  NlMessage message(std::uint8_t command, int flags = 0) const;
  NlSocket& socket() noexcept { return socket_; }

 private:
  GenlSocket(NlSocket socket, int family, std::uint8_t version)
      : socket_(std::move(socket)), family_(family), version_(version) {}
  NlSocket socket_;
  int family_;
  std::uint8_t version_;
};

}  // namespace barewire::kernel
