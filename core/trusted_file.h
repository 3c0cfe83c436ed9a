// SPDX-License-Identifier: Apache-2.0
/// Reading what an administrator wrote for the node: files that root alone may write, in directories that root alone
/// may write. Used for the node's policy and its declared state. No state: safe from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace barewire {

/// Makes the error of a file that cannot be used, and of why ("it is owned by user 1000, not by root").
using Refusal = std::function<Error(const std::string& path, std::string_view why)>;

/// The whole of `path`; nullopt when there is none. Throws what `refuse` makes: it cannot be read, is a symbolic link
/// or no regular file, is larger than 1 MiB, is not root's (or the caller's), or may be written by group or others.
std::optional<std::string> read_trusted(const std::string& path, const Refusal& refuse);

/// False when there is no such directory. Throws what `refuse` makes where others than root (or the caller) may write
/// it: they could put other files there.
bool is_trusted_directory(const std::string& path, const Refusal& refuse);

/// The paths of `directory`'s *.json, but hidden ones, in the order of their names. Throws what `refuse` makes.
std::vector<std::string> list_json_files(const std::string& directory, const Refusal& refuse);

/// "/etc/barewire" for "/etc/barewire/policy.json", "." for a bare name.
std::string directory_of(const std::string& path);
/// Where further files of `path` are: "/etc/barewire/policy.d" for "/etc/barewire/policy.json".
std::string directory_beside(const std::string& path);

}  // namespace barewire
