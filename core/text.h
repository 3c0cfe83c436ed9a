// SPDX-License-Identifier: Apache-2.0
/// Small operations on text that the standard library lacks. Letters are those of ASCII, whatever the locale: keys,
/// MACs and addresses have no others. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace barewire {

std::string to_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
bool contains_ignoring_case(std::string_view text, std::string_view part);

/// Without those of `blanks` at both ends.
std::string_view trim(std::string_view text, std::string_view blanks = " \t");

/// FNV-1a, 64 bits: the same in every build of the program, which std::hash need not be. Not against who looks for two
/// texts of one hash. Source: draft-eastlake-fnv.
std::uint64_t fnv1a(std::string_view bytes) noexcept;

}  // namespace barewire
