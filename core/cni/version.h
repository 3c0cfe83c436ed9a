// SPDX-License-Identifier: Apache-2.0
/// Versions of the CNI specification that this suite speaks. Each decides the shape of a result (result.h) and which
/// commands there are: CHECK since 0.4.0, GC and STATUS since 1.1.0. Source: CNI spec, "Released versions".
#pragma once

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace barewire::cni {

/// Compared part by part, so that "from 1.1.0 on" is >=.
struct Version {
  int major = 0, minor = 0, patch = 0;
  /// nullopt unless "N.N.N".
  static std::optional<Version> parse(std::string_view text);
  std::string text() const;
  friend auto operator<=>(const Version&, const Version&) = default;
};

/// What VERSION answers, oldest first: all that were ever released. A runtime takes the newest it knows.
inline constexpr std::array<Version, 7> kSupportedVersions = {Version{0, 1, 0}, Version{0, 2, 0}, Version{0, 3, 0},
                                                              Version{0, 3, 1}, Version{0, 4, 0}, Version{1, 0, 0},
                                                              Version{1, 1, 0}};
inline constexpr Version kLatestVersion = kSupportedVersions.back();

/// Whether it is one of those: 0.3.2 was never released, and no shape is known of it.
bool is_supported(const Version& version);

}  // namespace barewire::cni
