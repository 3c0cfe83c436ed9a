// SPDX-License-Identifier: Apache-2.0
/// SHA-512, from which the reference plugins make names of chains, rules and interfaces; reference.h needs them.
/// libcrypto does it.
#pragma once

#include <string>
#include <string_view>

namespace barewire::standard {

/// 128 lower-case hexadecimal digits. Source: FIPS 180-4.
std::string sha512_hex(std::string_view bytes);

}  // namespace barewire::standard
