// SPDX-License-Identifier: Apache-2.0
/// What was counted of a PF's VFs. The PF tells of all by one request; where its driver counts none of them, each VF's
/// own netdev is asked, in the pod that has it. For metrics and traffic.h.
#pragma once

#include <string>
#include <vector>

#include "core/kernel/vf_stats.h"
#include "core/state/attachment.h"

namespace barewire::manager {

/// A VF and who has it.
struct CountedVf {
  std::uint32_t id = 0;
  std::string pci;                            ///< address
  const state::Attachment* holder = nullptr;  ///< borrowed; nullptr: nobody that is known
};

/// By VF. The kernel answers with zeros for a driver that counts nothing (igb): where all are zero, VFs in pods are
/// asked themselves, and once one of them has counted something, what is not known of the others is left out. Throws
/// KernelError when the PF cannot be asked; a pod that cannot be entered is passed over.
std::vector<kernel::VfStats> count_vfs(kernel::NlSocket& socket, int pf_index, const std::vector<CountedVf>& vfs);

/// The decision alone: `told` by the PF, `own` by the VFs themselves.
std::vector<kernel::VfStats> choose_counters(std::vector<kernel::VfStats> told,
                                             const std::vector<kernel::VfStats>& own);
/// Whether the PF has counted anything at all.
bool has_counted(const std::vector<kernel::VfStats>& told);

}  // namespace barewire::manager
