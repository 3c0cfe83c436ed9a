// SPDX-License-Identifier: Apache-2.0
/// The plugins of the suite, for the programs that hold them all: the plugin program, and the admin's command and the
/// daemon, which check and tear down attachments with them.
#pragma once

#include "core/cni/plugin.h"

namespace barewire {

/// Sorted as they are listed to a user. Lives as long as the program.
cni::PluginTable plugin_table();

}  // namespace barewire
