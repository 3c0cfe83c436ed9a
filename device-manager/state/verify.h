// SPDX-License-Identifier: Apache-2.0
/// Whether DPDK can drive the VFs of groups that ask for it ("verify"), after they were made as declared.
#pragma once

#include <string>
#include <vector>

#include "core/node.h"
#include "device-manager/state/declaration.h"

namespace barewire::declared {

struct Doubt {
  std::string text;          ///< "VF 4 of ens1f0 (0000:01:10.4): DPDK cannot drive it: …"
  bool is_required = false;  ///< "verify": "require", and DPDK has said no: not only nothing is known
};
/// Asks of one VF of each group, the first that nobody has: they are all alike. Empty when DPDK drives all of them.
/// Runs barewire-dpdk-probe where nothing is known yet. Throws Error{device} when the NIC is gone.
std::vector<Doubt> verify_groups(const Node& node, const Nic& nic, const std::string& address);

}  // namespace barewire::declared
