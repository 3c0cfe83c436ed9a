// SPDX-License-Identifier: Apache-2.0
// RFC 7047 writes a set of one as the bare value: both forms are read, and compared as equal.
#include "ovs-plugin/ovsdb/values.h"

#include <algorithm>

#include "core/error.h"

namespace barewire::ovsdb {
namespace {

struct AtomText {
  std::string operator()(std::int64_t n) const { return fmt::to_string(n); }
  std::string operator()(double x) const { return fmt::to_string(x); }
  std::string operator()(bool yes) const { return yes ? "true" : "false"; }
  std::string operator()(const std::string& s) const { return s; }
  std::string operator()(const Uuid& uuid) const { return uuid.text; }
  std::string operator()(const NamedUuid& uuid) const { return uuid.name; }
};

std::string text_of(const Atom& atom) {
  return std::visit(AtomText{}, atom);
}

template <typename T>
constexpr std::string_view kTypeName = "";
template <>
constexpr std::string_view kTypeName<std::int64_t> = "integer";
template <>
constexpr std::string_view kTypeName<double> = "real";
template <>
constexpr std::string_view kTypeName<bool> = "boolean";
template <>
constexpr std::string_view kTypeName<std::string> = "string";
template <>
constexpr std::string_view kTypeName<Uuid> = "UUID";

[[noreturn]] void throw_unexpected(std::string_view expected, const Value& value) {
  throw Error(Error::Code::ovsdb, fmt::format("reading a value failed: expected {}, found {}", expected, value.text()));
}

// Adds the column's name to what Value says, which cannot know it.
template <typename Read>
auto in_column(std::string_view column, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("reading database column {} failed: {}", column, error.what()), error.hint());
  }
}

}  // namespace

Value::Value(Set atoms) {
  std::sort(atoms.begin(), atoms.end());
  // Sorted and without repetition, as a set of OVSDB has no order: then equal sets compare as equal.
  atoms.erase(std::unique(atoms.begin(), atoms.end()), atoms.end());
  content_ = std::move(atoms);
}

Value::Value(const StringMap& pairs) {
  Map map;
  for (const auto& [key, value] : pairs) map.emplace(key, value);
  content_ = std::move(map);
}

template <typename T>
std::vector<T> Value::all() const {
  const Set* set = std::get_if<Set>(&content_);
  if (!set) throw_unexpected(fmt::format("a set of {}", kTypeName<T>), *this);
  std::vector<T> found;
  found.reserve(set->size());
  for (const Atom& atom : *set) {
    if (const T* one = std::get_if<T>(&atom)) {
      found.push_back(*one);
      continue;
    }
    // A real without a fraction comes as a JSON integer.
    const auto* whole = std::get_if<std::int64_t>(&atom);
    if (!std::is_same_v<T, double> || !whole) throw_unexpected(fmt::format("a set of {}", kTypeName<T>), *this);
    if constexpr (std::is_same_v<T, double>) found.push_back(static_cast<double>(*whole));
  }
  return found;
}

template <typename T>
std::optional<T> Value::find() const {
  std::vector<T> found = all<T>();
  if (found.size() > 1) throw_unexpected(fmt::format("at most one {}", kTypeName<T>), *this);
  if (found.empty()) return std::nullopt;
  return found.front();
}

template <typename T>
T Value::get() const {
  std::optional<T> found = find<T>();
  if (!found) throw_unexpected(fmt::format("one {}", kTypeName<T>), *this);
  return *std::move(found);
}

StringMap Value::string_map() const {
  StringMap found;
  // An empty set says as little as an empty map.
  if (empty()) return found;
  if (!is_map()) throw_unexpected("a map of strings", *this);
  for (const auto& [key, value] : pairs()) {
    const auto* k = std::get_if<std::string>(&key);
    const auto* v = std::get_if<std::string>(&value);
    if (!k || !v) throw_unexpected("a map of strings", *this);
    found.emplace(*k, *v);
  }
  return found;
}

bool Value::empty() const noexcept {
  return std::visit([](const auto& content) { return content.empty(); }, content_);
}

const Set& Value::atoms() const {
  if (is_map()) throw_unexpected("a set", *this);
  return std::get<Set>(content_);
}

const Map& Value::pairs() const {
  if (!is_map()) throw_unexpected("a map", *this);
  return std::get<Map>(content_);
}

std::string Value::text() const {
  std::vector<std::string> words;
  if (is_map()) {
    for (const auto& [key, value] : std::get<Map>(content_)) words.push_back(text_of(key) + "=" + text_of(value));
  } else {
    for (const Atom& atom : std::get<Set>(content_)) words.push_back(text_of(atom));
    // As ovs-vsctl prints it: a set of one is its atom.
    if (words.size() == 1) return words.front();
  }
  return fmt::format("{{{}}}", fmt::join(words, ", "));
}

const Value& Row::at(std::string_view column) const {
  const auto found = columns_.find(column);
  if (found == columns_.end()) {
    throw Error(Error::Code::ovsdb,
                fmt::format("reading database column {} failed: the reply does not have it", column));
  }
  return found->second;
}

template <typename T>
T Row::get(std::string_view column) const {
  return in_column(column, [&] { return at(column).template get<T>(); });
}

template <typename T>
std::optional<T> Row::find(std::string_view column) const {
  return in_column(column, [&] { return at(column).template find<T>(); });
}

template <typename T>
std::vector<T> Row::all(std::string_view column) const {
  return in_column(column, [&] { return at(column).template all<T>(); });
}

StringMap Row::string_map(std::string_view column) const {
  return in_column(column, [&] { return at(column).string_map(); });
}

// Here, so that the header needs none of this: these five are all types that columns have.
#define BAREWIRE_INSTANTIATE(T)                                   \
  template T Value::get<T>() const;                               \
  template std::optional<T> Value::find<T>() const;               \
  template std::vector<T> Value::all<T>() const;                  \
  template T Row::get<T>(std::string_view) const;                 \
  template std::optional<T> Row::find<T>(std::string_view) const; \
  template std::vector<T> Row::all<T>(std::string_view) const;
BAREWIRE_INSTANTIATE(std::int64_t)
BAREWIRE_INSTANTIATE(double)
BAREWIRE_INSTANTIATE(bool)
BAREWIRE_INSTANTIATE(std::string)
BAREWIRE_INSTANTIATE(Uuid)
#undef BAREWIRE_INSTANTIATE

}  // namespace barewire::ovsdb
