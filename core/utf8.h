// SPDX-License-Identifier: Apache-2.0
/// Text that others wrote: CNI variables, names in the kernel, words of servers and delegates may hold any bytes, but a
/// record or a result is JSON, and JSON is UTF-8. Checked at the border, escaped in messages.
#pragma once

#include <string>
#include <string_view>

namespace barewire {

/// Source: RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

/// For messages: each byte that is no part of UTF-8 text becomes \xNN. Text that is stays as it is.
std::string escape_bytes(std::string_view text);

/// For JSON that is written already: each such byte becomes U+FFFD, the replacement character.
std::string replace_bytes(std::string_view text);

/// For log lines: as escape_bytes, and so do control characters, so that one message stays one line.
std::string escape_line(std::string_view text);

}  // namespace barewire
