// SPDX-License-Identifier: Apache-2.0
// A JSON parser keeps one of two members with the same name, so the text itself is looked through: two values for one
// sysctl are a mistake.
#include "standard-plugins/tuning/duplicate.h"

#include <algorithm>
#include <set>

#include "core/text.h"

namespace barewire::standard {

namespace {

/// Takes the rest of a string, behind its opening quote, and the closing one.
std::string_view take_string(std::string_view& json) {
  std::size_t end = 0;
  // An escaped quote does not end a string.
  while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2 : 1;
  end = std::min(end, json.size());
  const std::string_view text = json.substr(0, end);
  json.remove_prefix(std::min(end + 1, json.size()));
  return text;
}

bool is_key(std::string_view rest) {
  const auto next = rest.find_first_not_of(" \t\r\n");
  return next != std::string_view::npos && rest[next] == ':';
}

}  // namespace

std::optional<std::string> find_duplicate(std::string_view json, std::string_view member) {
  int depth = 0;
  bool inside = false;
  std::set<std::string_view> keys;
  while (!json.empty()) {
    const char c = json.front();
    json.remove_prefix(1);
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c != '"') continue;
    const std::string_view text = take_string(json);
    if (!is_key(json)) continue;
    if (depth == 1) {
      inside = equal_ignoring_case(text, member);
      keys.clear();
    } else if (depth == 2 && inside && !keys.insert(text).second) {
      return std::string(text);
    }
  }
  return std::nullopt;
}

}  // namespace barewire::standard
