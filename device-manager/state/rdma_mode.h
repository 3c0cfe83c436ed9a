// SPDX-License-Identifier: Apache-2.0
/// The declared netns mode of RDMA against the kernel's, and setting it: one for the whole node. Source:
/// rdma-system(8); drivers/infiniband/core/device.c, rdma_compatdev_set.
#pragma once

#include <optional>
#include <string>

#include "device-manager/state/plan.h"

namespace barewire::declared {

struct RdmaPlan {
  std::string place{};    ///< "/etc/barewire/node.json: rdmaMode"
  Change change{};        ///< "RDMA mode" shared → exclusive
  std::string refusal{};  ///< why it cannot be; empty: nothing stands against it as far as can be told
};

/// nullopt when it is as declared, or nothing is declared. A kernel that cannot be asked is a refusal.
std::optional<RdmaPlan> plan_rdma(const Declaration& declaration);
/// Sets it unless it is so; returns whether anything was done. Throws KernelError: EBUSY while there is a network
/// namespace but the node's own, which only a boot can end for good. Throws Error{unsupported_by_nic} for a refusal.
bool apply_rdma(const Declaration& declaration);

}  // namespace barewire::declared
