// SPDX-License-Identifier: Apache-2.0
/// The steps of ADD of the sriov plugin, in their order: preflight, claim, configure, move, address. sriov.cc runs
/// them; detach.h undoes them. docs/architecture.md follows one ADD through them.
#pragma once

#include <optional>

#include "core/cni/request.h"
#include "core/kernel/link.h"
#include "core/vf/host.h"
#include "core/vf/record.h"
#include "sriov-plugin/claim.h"
#include "sriov-plugin/config.h"
#include "sriov-plugin/preflight.h"

namespace barewire::sriov {

/// One ADD at work: what it was asked for and what it has come to so far.
struct Work {
  Work(const cni::Request& from, Node& on);

  const cni::Request& request;
  Node& node;
  const Config config;  ///< valid: nothing was touched to find that out
  vf::Host host;
  state::Attachment attachment;  ///< `data` is what the record holds
  kernel::NetNs pod;
  vf::VfRecord record;
  vf::Habits habits;
  bool addressed = false;  ///< IPAM was asked

  /// Writes the record as it stands; with `result` it is that of a finished ADD.
  void save(const cni::Result* result = nullptr);

 private:
  std::optional<boost::json::object> device_info_;  ///< path and former content of the device-info file
};

/// 0. Says no where this NIC cannot do what is asked. The kernel has changed nothing when this throws.
void preflight(Work& work, const vf::Reservation& reservation);
/// 1. The record, with the VF's original state, then the claim.
void claim(Work& work, const vf::Reservation& reservation);
/// 2. What the PF holds for the VF. The PF's lock is held.
void configure(Work& work);
/// 3. The netdev into the pod, under its name, up, with its effective MAC. nullopt on a user-space driver: there is
/// none.
std::optional<kernel::Link> move(Work& work);
/// 4. IPAM, addresses, routes, announcement. `link` as move left it.
cni::Result address(Work& work, const std::optional<kernel::Link>& link);
/// 5. The device-info file, and the record of what was done.
void conclude(Work& work, const std::optional<kernel::Link>& link, const cni::Result& result);

}  // namespace barewire::sriov
