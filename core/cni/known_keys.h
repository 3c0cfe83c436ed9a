// SPDX-License-Identifier: Apache-2.0
/// Keys that look like slips of the pen. Unknown keys are ignored, as everywhere in CNI; one that is nearly a key of
/// the plugin is most likely meant to be it, and a line in the log says so.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_view.h"

namespace barewire::cni {

/// The keys of `plugin` at the top of a configuration, or for an IPAM plugin those under "ipam", blank-separated; empty
/// for a plugin that is not known. The tests compare them with docs/configuration.
std::string_view known_keys(std::string_view plugin);
/// Whether the keys of `plugin` stand under "ipam".
bool is_ipam_plugin(std::string_view plugin);

/// The key among `known` that `key` is a slip of: one letter more, less, other or two exchanged, two in long keys.
std::optional<std::string> meant_by(std::string_view key, const std::vector<std::string_view>& known);

/// One line for each such key of `config` that `plugin` reads.
std::vector<std::string> suspicious_keys(std::string_view plugin, const JsonView& config);

}  // namespace barewire::cni
