// SPDX-License-Identifier: Apache-2.0
// What the terminal can do, and text that is safe to print there. Nothing is looked up in terminfo: the few escapes
// that are used are the same on every terminal in use.
#include "device-manager/cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/utf8.h"

namespace barewire::cli {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::optional<std::size_t> width_of(int fd) {
  winsize size{};
  // A serial console reports a width of 0: it does not know.
  if (::ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

/// The first variable set wins. Source: locale(7).
bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view value = environment(name);
    if (value.empty()) continue;
    return value.find("UTF-8") != value.npos || value.find("utf8") != value.npos;
  }
  return false;
}

std::string_view code_of(Style style) {
  switch (style) {
    case Style::plain:
      return "";
    case Style::bold:
      return "1";
    case Style::dim:
      return "2";
    case Style::green:
      return "32";
    case Style::yellow:
      return "33";
    case Style::red:
      return "31";
  }
  return "";
}

bool starts_character(char byte) {
  // Continuation bytes of UTF-8 are 10xxxxxx. Wide characters (CJK) count as one, which misplaces a column and loses
  // nothing.
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

}  // namespace

Terminal Terminal::of(int fd) {
  // A pipe gets no colours and no width: a program that reads wants every column, whole.
  if (::isatty(fd) == 0) return {.colours = false, .utf8 = locale_is_utf8(), .width = std::nullopt};
  const bool colours = environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  return {.colours = colours, .utf8 = locale_is_utf8(), .width = width_of(fd)};
}

std::string Terminal::paint(std::string_view text, Style style) const {
  if (!colours || style == Style::plain || text.empty()) return std::string(text);
  return fmt::format("\033[{}m{}\033[0m", code_of(style), text);
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string shorten(std::string_view text, std::size_t width, bool utf8) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t bytes = 0;
  for (std::size_t characters = 0; bytes < text.size(); ++bytes) {
    if (starts_character(text[bytes]) && characters++ == width - 1) break;
  }
  return std::string(text.substr(0, bytes)) + (utf8 ? "…" : "~");
}

std::string printable(std::string_view text) {
  // Bytes that are no text may be an 8-bit control to a terminal (0x9B begins an escape sequence).
  std::string result = escape_bytes(text);
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F; }, '?');
  // So may U+0080 to U+009F, which UTF-8 writes as 0xC2 and one byte more. Source: ECMA-48, C1 set.
  for (std::size_t at = result.find('\xC2'); at != std::string::npos; at = result.find('\xC2', at + 1))
    if (at + 1 < result.size() && static_cast<unsigned char>(result[at + 1]) <= 0x9F) result.replace(at, 2, "?");
  return result;
}

}  // namespace barewire::cli
