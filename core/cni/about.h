// SPDX-License-Identifier: Apache-2.0
/// What the plugin program says of itself: to who calls it by hand, and to runtimes that ask for versions. Each
/// function that prints throws Error{io} and returns the exit status.
#pragma once

#include <string>

#include "core/cni/plugin.h"

namespace barewire::cni {

/// The answer to VERSION. Source: CNI spec 1.1.0 section 2, "VERSION".
std::string version_output(const Plugin& plugin);
/// The plugin on `stream`, a descriptor.
int print_about(const Plugin& plugin, int stream);
/// Every plugin of the program, on stderr.
int print_holdings(const PluginTable& plugins);
/// Their names alone, on stdout.
int print_names(const PluginTable& plugins);
/// Of the program.
int print_version(int stream);

}  // namespace barewire::cni
