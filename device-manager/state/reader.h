// SPDX-License-Identifier: Apache-2.0
/// Reading the declared state of a node: one file and the directory beside it. Strict, where the rest of Barewire is
/// lenient: of a key that is not known it could not be told what the node should be. Everything that is wrong is told
/// at once. Pure but for read_declaration.
#pragma once

#include <string>
#include <string_view>

#include "device-manager/state/declaration.h"

namespace barewire::declared {

inline constexpr const char* kDeclarationFile = "/etc/barewire/node.json";
/// What the cluster declared last, as the node daemon keeps it (cluster/agent.h): in force as if it were in node.d.
inline constexpr const char* kClusterDeclaration = "/var/lib/barewire/cluster.json";

/// `file` and every *.json of the directory beside it; neither need be there. Files that are not root's (or the
/// caller's), may be written by others, are no regular files or larger than 1 MiB, or are not understood, are problems.
Declaration read_declaration(const std::string& file = kDeclarationFile);
/// read_declaration, and with the node's own file what the cluster declared.
Declaration read_whole_declaration(const std::string& file = kDeclarationFile);

/// Adds what `bytes` declare; what is wrong in them goes to `declaration.problems`.
void add_file(Declaration& declaration, const std::string& path, std::string_view bytes);
/// What no file shows by itself: a pool, a MAC or a NIC that is named twice. Once, after all files.
void check_together(Declaration& declaration);

}  // namespace barewire::declared
