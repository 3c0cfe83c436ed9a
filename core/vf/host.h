// SPDX-License-Identifier: Apache-2.0
/// The node as the VF code works on it, opened once per call: sysfs, the host's netns and a socket in it, the records.
/// Everything in core/vf takes one. One thread at a time, as its socket.
#pragma once

#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"
#include "core/kernel/sysfs.h"
#include "core/node.h"
#include "core/state/allocation.h"
#include "core/state/store.h"

namespace barewire::vf {

/// The host's netns is the one the program runs in. Throws KernelError when no netlink socket can be opened.
struct Host {
  explicit Host(const Node& from)
      : sysfs(from.sysfs),
        netns(kernel::NetNs::current()),
        store(from.run_dir),
        peer_state_dir(from.cni_state_dir + "/sriov"),
        allocations(from.cni_state_dir + state::Allocations::kBelow) {}

  kernel::Sysfs sysfs;
  kernel::NetNs netns;             ///< the host's
  kernel::NlSocket socket;         ///< in it, rtnetlink
  state::Store store;              ///< attachments, claims, locks
  std::string peer_state_dir;      ///< sriov-cni's records
  state::Allocations allocations;  ///< what is promised to containers
};

}  // namespace barewire::vf
