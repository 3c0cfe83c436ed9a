// SPDX-License-Identifier: Apache-2.0
/// What a JSON parser does not tell: that an object has a key twice. For config.h, where two values of one sysctl are a
/// mistake; pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace barewire::standard {

/// The first key that the object under the top level's `member` (any case) has twice, as written; nullopt when none.
/// `json` is valid JSON.
std::optional<std::string> find_duplicate(std::string_view json, std::string_view member);

}  // namespace barewire::standard
