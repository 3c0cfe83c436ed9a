// SPDX-License-Identifier: Apache-2.0
/// What the standard output can show: colours, a width, and characters beyond ASCII. Used by every text view.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace barewire::cli {

/// Source: console_codes(4), "ECMA-48 Set Graphics Rendition".
enum class Style { plain, bold, dim, green, yellow, red };

/// Asked once at the start; while watching, again for each picture, since a window changes its size.
struct Terminal {
  bool colours = false;
  bool utf8 = false;
  std::optional<std::size_t> width;  ///< columns; absent when the output is no terminal: nothing is cut then

  /// Of file descriptor `fd`. Colours only on a terminal, and not when NO_COLOR is set and not empty or TERM is "dumb".
  /// Source: https://no-color.org, tty_ioctl(4).
  static Terminal of(int fd);

  /// `text` in `style`, or as it is where there are no colours.
  std::string paint(std::string_view text, Style style) const;
};

/// Columns that `text` takes, one per UTF-8 character.
std::size_t display_width(std::string_view text);
/// At most `width` columns; what is cut is marked by one character at the end.
std::string shorten(std::string_view text, std::size_t width, bool utf8);
/// Control characters replaced by '?': names come from outside, and a terminal obeys escape sequences.
std::string printable(std::string_view text);

}  // namespace barewire::cli
