// SPDX-License-Identifier: Apache-2.0
/// Reading the node's policy from its files, which root alone may write.
#pragma once

#include <optional>
#include <string>

#include "core/policy/policy.h"

namespace barewire::policy {

/// The policy in `path` ("/etc/barewire/policy.json") and, after it, the files *.json of the directory beside it whose
/// name ends in ".d" ("/etc/barewire/policy.d"), in the order of their names. nullopt when there is no `path`: one
/// failed open is all that costs, and the directory is not looked at. Throws Error{policy} naming the file: one that
/// cannot be read, is no regular file, is larger than 1 MiB, is not root's (or the caller's), may be written by group
/// or others, as its directory may not either, or is not understood.
std::optional<Policy> read_policy(const std::string& path);

}  // namespace barewire::policy
