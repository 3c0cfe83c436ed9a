// SPDX-License-Identifier: Apache-2.0
/// How a NIC's drivers behave where the kernel's interfaces do not tell: what hw-profiles knows of it, in the terms of
/// settings.h, mac.h and restore.h. The defaults are for a NIC that nobody knows.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "core/kernel/netlink.h"

namespace barewire::vf {

/// One way to bring an admin MAC onto a netdev that was probed before the PF set it.
enum class MacAction {
  vf_follows,  ///< the VF takes it by itself, after a while
  set_own,     ///< set the same address on the netdev
  reopen,      ///< netdev down and up
  rebind,      ///< unbind and bind the VF's driver: a new netdev on the host
};

/// What to do, not which NIC it is: core/vf asks no profile. The defaults try every way, which costs an unknown NIC
/// time.
struct Habits {
  std::vector<MacAction> mac_actions{MacAction::set_own, MacAction::vf_follows, MacAction::reopen, MacAction::rebind};
  bool zero_mac_resets = true;     ///< admin MAC 00:00:00:00:00:00 takes the admin MAC away
  bool reopen_after_vlan = false;  ///< traffic flows in a new VLAN only after the netdev went down and up
  bool reset_after_vfio = false;   ///< a function-level reset before the next user of a VF on a user-space driver
  /// How often, how long apart and at which errno a request is sent again: a PF's mailbox may be busy with another VF.
  int retries = 20;  ///< with `pause` in between
  std::chrono::milliseconds pause{100};
  std::vector<int> retry_errors{EAGAIN, EBUSY};

  bool uses(MacAction action) const {
    return std::find(mac_actions.begin(), mac_actions.end(), action) != mac_actions.end();
  }
};

/// Runs `request`, again while the driver says it is busy. Throws what `request` throws in the end.
template <typename Request>
void with_retries(const Habits& habits, const Request& request) {
  for (int left = habits.retries;; --left) {
    try {
      return request();
    } catch (const kernel::KernelError& error) {
      const auto& busy = habits.retry_errors;
      if (left <= 0 || std::find(busy.begin(), busy.end(), error.err()) == busy.end()) throw;
    }
    std::this_thread::sleep_for(habits.pause);
  }
}

}  // namespace barewire::vf
