// SPDX-License-Identifier: Apache-2.0
/// A snapshot as text for people: a heading per NIC and a table of its VFs. No I/O.
#pragma once

#include <string>
#include <vector>

#include "device-manager/cli/terminal.h"
#include "device-manager/snapshot.h"

namespace barewire::cli {

/// How much of a snapshot is shown; what it holds is chosen before, by a filter.
struct ListView {
  bool wide = false;         ///< every column
  bool with_others = false;  ///< also the attachments that hold no VF
  bool titles = true;        ///< false: rows alone, for programs
  /// Titles of the columns to show of each VF, in this order; empty: as `wide` says. Letter case does not count, and
  /// '_' or '-' stand for a blank.
  std::vector<std::string> columns{};
};

/// The whole text; "" when there is nothing to show. Throws Error{config} for a column that there is not.
std::string render_list(const manager::Snapshot& snapshot, const ListView& view, const Terminal& terminal);

/// The colour of a state, wherever it is shown.
Style style_of(manager::VfState state);

/// The PCI address of each VF, a line each.
std::string render_names(const manager::Snapshot& snapshot);

/// "100", "100/3" with priority, "100/3 ad" with 802.1ad; "" without a port VLAN.
std::string vlan_text(const kernel::VfInfo& info);
/// "500", "100-500", "min 100"; "" without a limit. Mb/s.
std::string rate_text(const kernel::VfInfo& info);
/// "vfio 17" or the netdev's name; "" when it is not in this netns. The number is that of the IOMMU group, by which a
/// process opens the VF.
std::string interface_text(const vf::Vf& vf);
/// "default/web-0", else "container 3f2a…". Container IDs are cut to 12 characters, as runtimes print them.
std::string holder_text(const state::Attachment& attachment);
/// "up 1000 Mb/s", "no carrier", "down", "no netdev".
std::string link_text(const manager::PfEntry& pf);

}  // namespace barewire::cli
