// SPDX-License-Identifier: Apache-2.0
// Kernel names, files and answers of servers are bytes; JSON, logs and terminals want text. Here the one is told from
// the other, and made into it.
#include "core/utf8.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace barewire {

namespace {

/// What may follow a first byte: how many bytes in all, and the range of the second one. Source: RFC 3629 section 4.
struct Form {
  unsigned char first = 0, last = 0;
  std::size_t size = 0;
  unsigned char low = 0x80, high = 0xbf;
};
constexpr std::array kForms = {Form{0x00, 0x7f, 1},
                               Form{0xc2, 0xdf, 2},
                               Form{0xe0, 0xe0, 3, 0xa0},
                               Form{0xe1, 0xec, 3},
                               Form{0xed, 0xed, 3, 0x80, 0x9f},
                               Form{0xee, 0xef, 3},
                               Form{0xf0, 0xf0, 4, 0x90},
                               Form{0xf1, 0xf3, 4},
                               Form{0xf4, 0xf4, 4, 0x80, 0x8f}};

/// The size of the character that `text`, which is not empty, begins with; 0 when it begins with none.
std::size_t character_size(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (const Form& form : kForms) {
    if (byte(0) < form.first || byte(0) > form.last) continue;
    // A character that is cut off at the end is none.
    if (form.size > text.size()) return 0;
    if (form.size > 1 && (byte(1) < form.low || byte(1) > form.high)) return 0;
    for (std::size_t i = 2; i < form.size; ++i)
      if ((byte(i) & 0xc0U) != 0x80U) return 0;
    return form.size;
  }
  return 0;
}

bool is_control(std::string_view character) noexcept {
  const auto byte = static_cast<unsigned char>(character[0]);
  return character.size() == 1 && (byte < 0x20 || byte == 0x7f);
}

std::string hexadecimal(char byte) {
  return fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
}

/// `text` with `instead` of bytes that are no character and, where `also_controls`, of control characters.
template <typename Instead>
std::string escape(std::string_view text, bool also_controls, const Instead& instead) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const std::string_view character = text.substr(0, size == 0 ? 1 : size);
    if (size == 0 || (also_controls && is_control(character)))
      escaped += instead(character[0]);
    else
      escaped += character;
    text.remove_prefix(character.size());
  }
  return escaped;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string escape_bytes(std::string_view text) {
  // Looked at first: nearly all text is valid, and is copied whole.
  return is_utf8(text) ? std::string(text) : escape(text, false, hexadecimal);
}

std::string replace_bytes(std::string_view text) {
  return is_utf8(text) ? std::string(text) : escape(text, false, [](char) { return "\xef\xbf\xbd"; });
}

std::string escape_line(std::string_view text) {
  return escape(text, true, hexadecimal);
}

}  // namespace barewire
