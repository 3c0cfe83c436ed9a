// SPDX-License-Identifier: Apache-2.0
/// Finding a network namespace again when the path it was known by leads nowhere, or somewhere else. Used by move.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel/netns.h"

namespace barewire::vf {

/// The netns of a pod as a record knows it.
struct PodNetns {
  std::string path;                   ///< may be empty, gone or recycled
  std::optional<kernel::NetNsId> id;  ///< absent: the path is all that is known
};

/// By its path, if that still leads to it, else through a process in it or a mount of it; nullopt when it is dead.
/// Source: namespaces(7), proc_pid_mountinfo(5).
std::optional<kernel::NetNs> find_netns(const PodNetns& pod);

/// Every netns that has a process or a mount in sight, each once.
std::vector<kernel::NetNs> list_netns();

}  // namespace barewire::vf
