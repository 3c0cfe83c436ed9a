// SPDX-License-Identifier: Apache-2.0
/// Which plugin a program is to be that was called by some name: runtimes and installers rename plugins ("cnv-bridge",
/// "buildkit-cni-bridge", "flannel-wg"), by links or by copies.
#pragma once

#include <string>
#include <string_view>

#include "core/cni/plugin.h"

namespace barewire::cni {

/// What follows the last '/'.
std::string base_name(std::string_view path);

/// The plugin for `called`, argv[0]. In this order: its base name; the name of a link that it leads to, link by link; a
/// line "NAME PLUGIN" of the file barewire-cni.aliases in the program's directory; for a name of several words, the
/// plugin that is its last words or else its first ("cnv-bridge", "flannel-wg"), the longest. nullptr when none is
/// meant.
const Plugin* find_called(const PluginTable& plugins, const std::string& called);

}  // namespace barewire::cni
