// SPDX-License-Identifier: Apache-2.0
/// A snapshot of Open vSwitch (switch_snapshot.h) as text for people; table.h does the columns. No I/O.
#pragma once

#include <string>

#include "device-manager/cli/terminal.h"
#include "device-manager/switch_snapshot.h"

namespace barewire::cli {

/// The colour of a state, wherever it is shown.
Style style_of(manager::PortState state);

/// A group per bridge, a line per port, mirrors and errors below. Says so when there is no bridge.
std::string render_switch(const manager::SwitchSnapshot& snapshot, bool wide, const Terminal& terminal);

/// "100", "all", "10-12,20", "5 native, 10-12", "100 qinq".
std::string vlan_text(const manager::PortEntry& port);

}  // namespace barewire::cli
