// SPDX-License-Identifier: Apache-2.0
/// Narrowing a snapshot to what an admin asked for. No I/O.
#pragma once

#include <string>
#include <vector>

#include "device-manager/snapshot.h"

namespace barewire::manager {

/// Each list names alternatives; an empty one asks for nothing. What is given must all hold.
struct Filter {
  std::vector<std::string> pfs{};  ///< netdev name, alternative name or PCI address
  std::vector<VfState> states{};
  std::vector<std::string> networks{};
  std::vector<std::string> pods{};        ///< "namespace/name", or a name in any namespace
  std::vector<std::string> containers{};  ///< the beginning of a container ID

  /// Whether it asks for VFs, so that a PF without any is of no interest.
  bool names_vfs() const noexcept {
    return !states.empty() || !networks.empty() || !pods.empty() || !containers.empty();
  }
  /// Does it hold what is asked of things of its kind? What is asked of others is not looked at.
  bool matches(const vf::Pf& pf) const;
  bool matches(const VfEntry& vf) const;
  bool matches(const state::Attachment& attachment) const;
};

/// `snapshot` without what does not match; a PF goes with its last VF when the filter asks for VFs. A PF asked for that
/// is not there is added to the problems.
Snapshot apply(const Filter& filter, Snapshot snapshot);

}  // namespace barewire::manager
