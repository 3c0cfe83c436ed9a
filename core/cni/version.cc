// SPDX-License-Identifier: Apache-2.0
// Versions as the specification writes them: three numbers. Two components or a suffix are no version, as in the
// reference library.
#include "core/cni/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace barewire::cni {

std::optional<Version> Version::parse(std::string_view text) {
  std::array<int, 3> numbers{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    // from_chars takes a minus.
    if (error != std::errc() || numbers[i] < 0) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return Version{numbers[0], numbers[1], numbers[2]};
}

std::string Version::text() const {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

bool is_supported(const Version& version) {
  return std::find(kSupportedVersions.begin(), kSupportedVersions.end(), version) != kSupportedVersions.end();
}

}  // namespace barewire::cni
