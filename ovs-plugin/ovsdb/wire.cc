// SPDX-License-Identifier: Apache-2.0
// The kind of every value is checked here, so that no reader behind it has to.
#include "ovs-plugin/ovsdb/wire.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"

namespace barewire::ovsdb {
namespace {

// Bytes of a malformed value that a message shows: enough to recognise it, not a screen full.
constexpr std::size_t kLongestQuote = 200;

JsonPtr pair(const char* tag, JsonPtr content) {
  return JsonPtr(json_array_create_2(json_string_create(tag), content.release()));
}

struct AtomToJson {
  JsonPtr operator()(std::int64_t n) const { return JsonPtr(json_integer_create(n)); }
  JsonPtr operator()(double x) const { return JsonPtr(json_real_create(x)); }
  JsonPtr operator()(bool yes) const { return JsonPtr(json_boolean_create(yes)); }
  JsonPtr operator()(const std::string& text) const { return string_to_json(text); }
  JsonPtr operator()(const Uuid& uuid) const { return pair("uuid", string_to_json(uuid.text)); }
  JsonPtr operator()(const NamedUuid& uuid) const { return pair("named-uuid", string_to_json(uuid.name)); }
};

JsonPtr atom_to_json(const Atom& atom) {
  return std::visit(AtomToJson{}, atom);
}

// Sets, maps and UUIDs are arrays of two whose first says what the second is. Source: RFC 7047, 5.1.
bool is_tagged(const json& value, std::string_view tag, json_type content) {
  return value.type == JSON_ARRAY && value.array.n == 2 && value.array.elems[0]->type == JSON_STRING &&
         tag == value.array.elems[0]->string && value.array.elems[1]->type == content;
}

Atom atom_from_json(const json& value) {
  switch (value.type) {
    case JSON_INTEGER:
      return static_cast<std::int64_t>(value.integer);
    case JSON_REAL:
      return value.real;
    case JSON_TRUE:
      return true;
    case JSON_FALSE:
      return false;
    case JSON_STRING:
      return std::string(value.string);
    // The one atom that is no plain JSON value; anything else is refused there.
    default:
      return uuid_from_json(value);
  }
}

Value set_from_json(const struct json_array& atoms) {
  Set set;
  for (std::size_t i = 0; i < atoms.n; ++i) set.push_back(atom_from_json(*atoms.elems[i]));
  return Value(std::move(set));
}

Value map_from_json(const struct json_array& pairs) {
  Map map;
  for (std::size_t i = 0; i < pairs.n; ++i) {
    const json* one = pairs.elems[i];
    if (one->type != JSON_ARRAY || one->array.n != 2) throw_malformed("a pair in a map", one);
    map.emplace(atom_from_json(*one->array.elems[0]), atom_from_json(*one->array.elems[1]));
  }
  return Value(std::move(map));
}

}  // namespace

void JsonDeleter::operator()(json* value) const noexcept {
  json_destroy(value);
}

JsonPtr string_to_json(std::string_view text) {
  // The library's strings end at a NUL: the rest would be left out without a word.
  if (text.find('\0') != std::string_view::npos) {
    throw Error(Error::Code::config,
                fmt::format("sending \"{}…\" to the Open vSwitch database failed: it holds a NUL byte",
                            text.substr(0, text.find('\0'))));
  }
  return JsonPtr(json_string_create(std::string(text).c_str()));
}

JsonPtr strings_to_json(const std::vector<std::string>& texts) {
  JsonPtr array(json_array_create_empty());
  for (const std::string& text : texts) json_array_add(array.get(), string_to_json(text).release());
  return array;
}

JsonPtr to_json(const Value& value) {
  JsonPtr array(json_array_create_empty());
  if (value.is_map()) {
    for (const auto& [key, mapped] : value.pairs()) {
      // Both first: a throw between the two would lose what had been released.
      JsonPtr json_key = atom_to_json(key);
      JsonPtr json_mapped = atom_to_json(mapped);
      json_array_add(array.get(), json_array_create_2(json_key.release(), json_mapped.release()));
    }
    return pair("map", std::move(array));
  }
  // The short form, which every server takes for a set too.
  if (value.atoms().size() == 1) return atom_to_json(value.atoms().front());
  for (const Atom& atom : value.atoms()) json_array_add(array.get(), atom_to_json(atom).release());
  return pair("set", std::move(array));
}

JsonPtr to_json(const Row& row) {
  JsonPtr object(json_object_create());
  for (const auto& [column, value] : row.columns()) {
    json_object_put(object.get(), column.c_str(), to_json(value).release());
  }
  return object;
}

Value value_from_json(const json& value) {
  if (is_tagged(value, "set", JSON_ARRAY)) return set_from_json(value.array.elems[1]->array);
  if (is_tagged(value, "map", JSON_ARRAY)) return map_from_json(value.array.elems[1]->array);
  return Value(Set{atom_from_json(value)});
}

Row row_from_json(const json& value) {
  if (value.type != JSON_OBJECT) throw_malformed("a row", &value);
  Row row;
  const shash_node* column;
  SHASH_FOR_EACH(column, value.object) {
    row.set(column->name, value_from_json(*static_cast<const json*>(column->data)));
  }
  return row;
}

Uuid uuid_from_json(const json& value) {
  uuid parsed;
  if (!is_tagged(value, "uuid", JSON_STRING) || !uuid_from_string(&parsed, value.array.elems[1]->string)) {
    throw_malformed("an atom", &value);
  }
  Uuid found{value.array.elems[1]->string};
  // UUIDs are compared as text here.
  std::transform(found.text.begin(), found.text.end(), found.text.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  return found;
}

void throw_malformed(std::string_view expected, const json* found) {
  std::string quote = "nothing";
  if (found) {
    // Sorted, so that the same reply gives the same message.
    const std::unique_ptr<char, decltype(&free)> text(json_to_string(found, JSSF_SORT), free);
    quote = text.get();
  }
  if (quote.size() > kLongestQuote) quote = quote.substr(0, kLongestQuote) + "…";
  throw Error(
      Error::Code::ovsdb,
      fmt::format("reading the reply of the Open vSwitch database failed: expected {}, found {}", expected, quote));
}

}  // namespace barewire::ovsdb
