// SPDX-License-Identifier: Apache-2.0
// Names of networks and containers become names of files: a slash becomes "!", which no CNI name has, and what is too
// long for NAME_MAX is cut and kept apart by a hash of the whole.
#include "core/state/file_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cstdint>

#include "core/text.h"

namespace barewire::state {

namespace {

constexpr std::size_t kRoom = 5;  // of a temporary file: ".", ".tmp"

}  // namespace

std::string hash_name(std::string_view text) {
  // It keeps names apart that only a length limit made equal; nobody gains by making two of them collide.
  return fmt::format("{:016x}", fnv1a(text));
}

std::string shorten(std::string_view text, std::size_t longest) {
  if (text.size() <= longest) return std::string(text);
  const std::string hash = "~" + hash_name(text);
  return std::string(text.substr(0, longest - hash.size())) + hash;
}

std::string file_name(std::string name, std::string_view ending) {
  std::replace(name.begin(), name.end(), '/', '!');
  return shorten(name, NAME_MAX - kRoom - ending.size()) + std::string(ending);
}

}  // namespace barewire::state
