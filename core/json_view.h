// SPDX-License-Identifier: Apache-2.0
/// Reading JSON with errors that name the key: a value together with the path that leads to it. Used by everything that
/// reads configuration, profiles or records; Boost.JSON does the parsing.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace barewire {

/// Parses strict JSON (RFC 8259). `what` names the document, e.g. "network config" or a file. Throws Error{decode}
/// "<what> is not valid JSON at line L, column C: …".
boost::json::value parse_json(std::string_view bytes, std::string_view what);

/// A JSON value and its path, read as Go's encoding/json reads, which every peer of ours uses: keys match in any case
/// of ASCII letters; of several members that match, the last that is not null counts; unknown ones are ignored; a null
/// member is absent; a null element is its type's zero value ("", 0, {}). Holds a reference: the document must outlive
/// it. Cheap to copy.
class JsonView {
 public:
  /// `subject` opens every message: "config key" gives `config key "vf.vlan" is "100"; expected …`.
  explicit JsonView(const boost::json::value& value, std::string subject = "config key",
                    Error::Code code = Error::Code::config)
      : value_(&value), subject_(std::move(subject)), code_(code) {}

  /// nullopt when absent or null. Throws Error when this value is not an object.
  std::optional<JsonView> find(std::string_view key) const;
  /// Throws Error when absent or null.
  JsonView at(std::string_view key) const;
  /// Is the key there with a value other than null?
  bool has(std::string_view key) const { return find(key).has_value(); }

  /// Each throws Error `… is X; expected <meaning>` when the type or range is wrong. Numbers with a decimal point or an
  /// exponent are no integers, as in Go.
  std::int64_t integer(std::int64_t min, std::int64_t max, std::string_view meaning) const;
  /// Each of these throws Error `… is X; expected a boolean`, or what it is called, for another type.
  bool boolean() const;
  std::string string() const;
  /// The elements, each with its index in its path.
  std::vector<JsonView> array(std::string_view meaning = "an array") const;
  std::vector<std::string> strings() const;
  /// The members in document order.
  std::vector<std::pair<std::string, JsonView>> members(std::string_view meaning = "an object") const;

  /// Of a member of this object; `fallback` where it is absent or null. Each throws as find() does, and as the reader
  /// of its type.
  std::string string_or(std::string_view key, std::string fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::int64_t integer_or(std::string_view key, std::int64_t min, std::int64_t max, std::string_view meaning,
                          std::int64_t fallback) const;

  bool is_object() const noexcept { return value_->is_object(); }
  bool is_array() const noexcept { return value_->is_array(); }
  bool is_string() const noexcept { return value_->is_string(); }
  const boost::json::value& value() const noexcept { return *value_; }
  /// "vf.vlan", "trunk[2].minID"; empty at the top.
  const std::string& path() const noexcept { return path_; }

  /// Throws `<subject> "<path>" is <value>; expected <expected>` with `hint`.
  [[noreturn]] void reject(std::string_view expected, std::string hint = {}) const;

 private:
  JsonView child(const boost::json::value& value, std::string path) const;

  const boost::json::value* value_;
  std::string path_;
  std::string subject_;
  Error::Code code_;
};

}  // namespace barewire
