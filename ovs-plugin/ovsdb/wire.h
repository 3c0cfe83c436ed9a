// SPDX-License-Identifier: Apache-2.0
/// The JSON of RFC 7047 for the values of values.h, as libopenvswitch's `struct json`. Used by transaction.cc,
/// monitor.cc and connection.cc; nothing above this folder sees JSON.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "ovs-plugin/ovsdb/values.h"

struct json;

namespace barewire::ovsdb {

/// Values of the library are counted: this gives one reference back.
struct JsonDeleter {
  void operator()(json* value) const noexcept;
};
/// Owns one reference to a JSON value.
using JsonPtr = std::unique_ptr<json, JsonDeleter>;

/// Strings must not hold a NUL byte, which libopenvswitch cannot carry: throws Error{config} naming the string.
JsonPtr to_json(const Value& value);
JsonPtr to_json(const Row& row);
JsonPtr string_to_json(std::string_view text);
JsonPtr strings_to_json(const std::vector<std::string>& texts);

/// Each throws Error{ovsdb} "reading the reply of the Open vSwitch database failed: …" for anything RFC 7047 5.1 does
/// not allow there.
Value value_from_json(const json& value);
Row row_from_json(const json& value);
Uuid uuid_from_json(const json& value);
/// A reply that is not what RFC 7047 says: `expected` and a shortened copy of what came.
[[noreturn]] void throw_malformed(std::string_view expected, const json* found);

}  // namespace barewire::ovsdb
