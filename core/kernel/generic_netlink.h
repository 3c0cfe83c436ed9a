// SPDX-License-Identifier: Apache-2.0
/// Families of generic netlink: devlink.cc and vdpa.cc ask theirs with it.
#pragma once

#include <cstdint>
#include <optional>

#include "core/kernel/netlink.h"

namespace barewire::kernel {

/// A socket in the calling thread's netns, and a family's number in it. Of one thread.
struct GenericFamily {
  NlSocket socket;
  int number = 0;
  std::uint8_t version = 0;

  /// nullopt where the kernel has no family of that name. Throws KernelError.
  static std::optional<GenericFamily> find(const char* name, std::uint8_t version);
  /// The beginning of a request; `flags` such as NLM_F_DUMP.
  NlMessage message(std::uint8_t command, int flags = 0) const;
};

}  // namespace barewire::kernel
