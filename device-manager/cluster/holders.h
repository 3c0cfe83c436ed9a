// SPDX-License-Identifier: Apache-2.0
/// Who has the VFs that a change would take. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/state/attachment.h"
#include "device-manager/snapshot.h"
#include "device-manager/state/plan.h"

namespace barewire::cluster {

struct Holders {
  std::vector<state::Pod> pods{};      ///< each once
  std::vector<std::string> unknown{};  ///< "VF 3: a process has /dev/vfio/17 open": no pod that could be asked to go
};

/// Would nothing stand against `nic` if no VF were in use?
bool would_drain_help(const declared::Nic& nic, const declared::NicFacts& facts);
/// Adds those who have VFs of the NIC that the change takes; `pf` is the same NIC as the snapshot has it.
void add_holders(Holders& holders, const declared::Nic& nic, const declared::NicFacts& facts,
                 const manager::PfEntry& pf);

}  // namespace barewire::cluster
