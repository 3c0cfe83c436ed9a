// SPDX-License-Identifier: Apache-2.0
// Lookups walk the members one by one: objects are small, and Go's rule (letter case aside, the last wins) is not that
// of a map.
#include "core/json_view.h"

#include <algorithm>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>

#include "core/text.h"

namespace barewire {

namespace json = boost::json;

namespace {

/// A value as it is shown in a message: its JSON, cut when long. Boost writes 10.5 as 1.05E1.
std::string shown(const json::value& value) {
  constexpr std::size_t kLongest = 80;
  std::string text = value.is_double() ? fmt::format("{:#}", value.get_double()) : json::serialize(value);
  if (text.size() > kLongest) text = text.substr(0, kLongest - 1) + "…";
  return text;
}

Error not_json(std::string_view bytes, std::size_t offset, std::string_view what, const json::error_code& error) {
  const std::string_view before = bytes.substr(0, std::min(offset, bytes.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto last_break = before.rfind('\n');
  const auto column = last_break == std::string_view::npos ? before.size() + 1 : before.size() - last_break;
  if (bytes.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return Error(Error::Code::decode, fmt::format("{} is not valid JSON: it is empty", what),
                 what == "network config" ? "a CNI runtime sends it on standard input" : "");
  return Error(Error::Code::decode,
               fmt::format("{} is not valid JSON at line {}, column {}: {}", what, line, column, error.message()));
}

}  // namespace

json::value parse_json(std::string_view bytes, std::string_view what) {
  json::parser parser;
  json::error_code error;
  const std::size_t parsed = parser.write_some(bytes.data(), bytes.size(), error);
  if (error) throw not_json(bytes, parsed, what, error);
  // Blanks may follow the value; Boost's parser has taken them, so anything left is a second value.
  if (parsed < bytes.size()) throw not_json(bytes, parsed, what, json::error_code(json::error::extra_data));
  return parser.release();
}

JsonView JsonView::child(const json::value& value, std::string path) const {
  JsonView view(value, subject_, code_);
  view.path_ = std::move(path);
  return view;
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  // As in Go, where null leaves a struct as it was: without any key. So it goes for the other readers, each with its
  // zero.
  if (value_->is_null()) return std::nullopt;
  if (!value_->is_object()) reject("an object");
  const json::value* found = nullptr;
  for (const auto& member : value_->get_object())
    // A null after a value does not take it away. Source: Go's encoding/json, Unmarshal.
    if (equal_ignoring_case(member.key(), key) && !member.value().is_null()) found = &member.value();
  if (found == nullptr) return std::nullopt;
  return child(*found, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

JsonView JsonView::at(std::string_view key) const {
  if (auto found = find(key)) return *found;
  throw Error(code_, fmt::format("{} \"{}\" is missing", subject_,
                                 path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key)));
}

std::int64_t JsonView::integer(std::int64_t min, std::int64_t max, std::string_view meaning) const {
  json::error_code not_integer;
  // to_number takes 10.0 for an integer; Go does not, hence the look at is_double.
  const auto number = value_->is_null() ? 0 : value_->to_number<std::int64_t>(not_integer);
  if (value_->is_double() || not_integer || number < min || number > max)
    reject(fmt::format("an integer from {} to {} ({})", min, max, meaning),
           value_->is_double() ? "write integers without a decimal point or an exponent" : "");
  return number;
}

bool JsonView::boolean() const {
  if (value_->is_null()) return false;
  if (!value_->is_bool()) reject("true or false");
  return value_->get_bool();
}

std::string JsonView::string() const {
  if (value_->is_null()) return {};
  if (!value_->is_string()) reject("a string");
  return std::string(value_->get_string());
}

std::vector<JsonView> JsonView::array(std::string_view meaning) const {
  if (value_->is_null()) return {};
  if (!value_->is_array()) reject(meaning);
  std::vector<JsonView> elements;
  for (std::size_t i = 0; i < value_->get_array().size(); ++i)
    elements.push_back(child(value_->get_array()[i], fmt::format("{}[{}]", path_, i)));
  return elements;
}

std::vector<std::string> JsonView::strings() const {
  std::vector<std::string> result;
  for (const JsonView& element : array("an array of strings")) result.push_back(element.string());
  return result;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members(std::string_view meaning) const {
  if (value_->is_null()) return {};
  if (!value_->is_object()) reject(meaning);
  std::vector<std::pair<std::string, JsonView>> result;
  for (const auto& member : value_->get_object()) {
    const std::string key(member.key());
    result.emplace_back(key, child(member.value(), path_.empty() ? key : fmt::format("{}.{}", path_, key)));
  }
  return result;
}

std::string JsonView::string_or(std::string_view key, std::string fallback) const {
  const auto found = find(key);
  return found ? found->string() : std::move(fallback);
}

bool JsonView::boolean_or(std::string_view key, bool fallback) const {
  const auto found = find(key);
  return found ? found->boolean() : fallback;
}

std::int64_t JsonView::integer_or(std::string_view key, std::int64_t min, std::int64_t max, std::string_view meaning,
                                  std::int64_t fallback) const {
  const auto found = find(key);
  return found ? found->integer(min, max, meaning) : fallback;
}

void JsonView::reject(std::string_view expected, std::string hint) const {
  if (path_.empty())
    throw Error(code_, fmt::format("{} at the top is {}; expected {}", subject_, shown(*value_), expected), hint);
  throw Error(code_, fmt::format("{} \"{}\" is {}; expected {}", subject_, path_, shown(*value_), expected),
              std::move(hint));
}

}  // namespace barewire
