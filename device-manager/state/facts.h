// SPDX-License-Identifier: Apache-2.0
/// The NICs of a node as they are, with all that a plan has to know of them: what provision.h reads, and beyond it the
/// eswitch, the hardware profile, and who depends on the PF itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kernel/devlink.h"
#include "device-manager/provision.h"
#include "hw-profiles/profile.h"

namespace barewire::declared {

struct NicFacts {
  manager::PfFacts base{};
  hw::Profile profile{};
  std::optional<kernel::EswitchMode> eswitch{};  ///< absent: no eswitch that devlink tells of
  std::optional<bool> hw_tc_offload{};           ///< of the uplink; absent: it has no such feature
  std::string slot{};                            ///< as /sys/bus/pci/slots names it; empty: none
  /// Why nothing of the PF may be changed that restarts it, but for base.default_route: each a clause.
  std::vector<std::string> obstacles{};

  const vf::Pf& pf() const { return base.pf; }
  const std::string& name() const { return base.pf.link ? base.pf.link->name : base.pf.pci.address; }
};

/// Every PF of the node. Throws Error when sysfs or rtnetlink cannot be read.
std::vector<NicFacts> read_facts(const Node& node);
/// The PF at `address`, as it is now. Throws Error{device} when it is gone.
NicFacts read_facts_of(const Node& node, const std::string& address);

}  // namespace barewire::declared
