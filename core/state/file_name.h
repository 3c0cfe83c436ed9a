// SPDX-License-Identifier: Apache-2.0
/// Names of networks, containers and devices as names of files.
#pragma once

#include <string>
#include <string_view>

namespace barewire::state {

/// A short, stable name for `text`: 16 hexadecimal digits (FNV-1a, 64 bits). Not against who looks for two texts of one
/// name: what it names tells itself whose it is.
std::string hash_name(std::string_view text);

/// `text` where it has at most `longest` bytes; else its beginning, and "~" and the hash of all of it for the rest.
std::string shorten(std::string_view text, std::size_t longest);

/// `name` + `ending`, with room for what temporary_of adds. A longer one is shortened: a network's name may have 253
/// characters, and a file's has 255 at most. '/' becomes '!'. Source: NAME_MAX in pathname(7).
std::string file_name(std::string name, std::string_view ending = {});

}  // namespace barewire::state
