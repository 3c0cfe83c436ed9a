// SPDX-License-Identifier: Apache-2.0
/// What a column of an OVSDB row holds, as C++ values: atoms, sets, maps, and rows of them. wire.h turns them into JSON
/// and back. Source: RFC 7047, section 5.1.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace barewire::ovsdb {

/// The name of a row for as long as the row lives: 36 characters, lower-case hexadecimal and dashes (RFC 4122).
struct Uuid {
  std::string text;
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

/// A row inserted by the same transaction, by the name its insert gave it. Source: RFC 7047, 5.1 <named-uuid>.
struct NamedUuid {
  std::string name;
  friend auto operator<=>(const NamedUuid&, const NamedUuid&) = default;
};

/// What a column's base types are: integer, real, boolean, string, and uuid in its two forms. Source: RFC 7047, 3.1
/// <atom>.
using Atom = std::variant<std::int64_t, double, bool, std::string, Uuid, NamedUuid>;
using Set = std::vector<Atom>;     ///< of one type, by the schema
using Map = std::map<Atom, Atom>;  ///< of one type each, by the schema
/// The commonest of maps: external_ids, other_config, options, status.
using StringMap = std::map<std::string, std::string>;

/// One column's content: a set (an atom is a set of one; a column that may be empty is a set of none or one) or a map.
/// Sets are kept sorted and without duplicates, so that equal contents compare equal.
class Value {
 public:
  /// The empty set.
  Value() = default;
  template <typename T>
  // NOLINTNEXTLINE(bugprone-forwarding-reference-overload): copies and moves of a Value are excluded
  requires std::constructible_from<Atom, T> &&(!std::same_as<std::remove_cvref_t<T>, Value>)Value(T&& atom)
      : content_(Set{Atom(std::forward<T>(atom))}) {}  // NOLINT: an atom is a value
  /// In any order; what stands in it twice is kept once.
  explicit Value(Set atoms);
  explicit Value(Map pairs) : content_(std::move(pairs)) {}
  explicit Value(const StringMap& pairs);

  /// The one atom; its only atom, or nullopt when empty; all of them. T is std::int64_t, double, bool, std::string or
  /// Uuid. Throws Error{ovsdb} when there are more, or atoms of another type.
  template <typename T>
  T get() const;
  template <typename T>
  std::optional<T> find() const;
  template <typename T>
  std::vector<T> all() const;
  /// Throws Error{ovsdb} unless this is a map of strings to strings. An empty set reads as an empty map.
  StringMap string_map() const;

  /// Whether it was made as a map.
  bool is_map() const noexcept { return std::holds_alternative<Map>(content_); }
  bool empty() const noexcept;  ///< no atoms, no pairs
  /// Throw Error{ovsdb} for a value of the other form.
  const Set& atoms() const;
  const Map& pairs() const;
  /// For messages: `100`, `{1, 2}`, `{owner=barewire}`.
  std::string text() const;

  friend bool operator==(const Value&, const Value&) = default;

 private:
  std::variant<Set, Map> content_;
};

/// Columns of one row by name. What was not selected is not there, which at() says.
class Row {
 public:
  using Columns = std::map<std::string, Value, std::less<>>;

  Row() = default;
  Row(std::initializer_list<Columns::value_type> columns) : columns_(columns) {}

  /// Takes the place of what the column had.
  void set(std::string column, Value value) { columns_.insert_or_assign(std::move(column), std::move(value)); }
  /// False: it was not asked for, or the server left it out.
  bool has(std::string_view column) const { return columns_.contains(column); }
  /// Throws Error{ovsdb} naming a column that is not there.
  const Value& at(std::string_view column) const;
  const Columns& columns() const noexcept { return columns_; }

  /// As the functions of Value; the message names the column.
  template <typename T>
  T get(std::string_view column) const;
  template <typename T>
  std::optional<T> find(std::string_view column) const;
  template <typename T>
  std::vector<T> all(std::string_view column) const;
  StringMap string_map(std::string_view column) const;

  friend bool operator==(const Row&, const Row&) = default;

 private:
  Columns columns_;
};

}  // namespace barewire::ovsdb
