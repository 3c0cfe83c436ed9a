// SPDX-License-Identifier: Apache-2.0
// Guards are "wait" operations of the same transaction: the server decides, at one moment, whether the world is still
// as it was read.
#include "ovs-plugin/ovsdb/transaction.h"

#include "core/error.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"

namespace barewire::ovsdb {
namespace {

void put(json* object, const char* member, JsonPtr value) {
  json_object_put(object, member, value.release());
}

template <typename Clause>
JsonPtr clause(const std::string& column, const std::string& word, const Clause& value) {
  JsonPtr array(json_array_create_empty());
  json_array_add(array.get(), string_to_json(column).release());
  json_array_add(array.get(), string_to_json(word).release());
  json_array_add(array.get(), to_json(value).release());
  return array;
}

std::string text_or(const json* value, std::string fallback) {
  return value && value->type == JSON_STRING ? value->string : std::move(fallback);
}

const json* member(const json& value, const char* name) {
  if (value.type != JSON_OBJECT) return nullptr;
  return static_cast<const json*>(shash_find_data(value.object, name));
}

}  // namespace

JsonPtr where_to_json(const Where& where) {
  JsonPtr array(json_array_create_empty());
  for (const auto& [column, function, value] : where)
    json_array_add(array.get(), clause(column, function, value).release());
  return array;
}

Where row_is(const Uuid& uuid) {
  return {{"_uuid", "==", uuid}};
}

json* Transaction::add(const char* op, const std::string& table, bool changes) {
  JsonPtr object(json_object_create());
  json* borrowed = object.get();
  put(borrowed, "op", string_to_json(op));
  // "comment" and "assert" are about no table.
  if (!table.empty()) put(borrowed, "table", string_to_json(table));
  // The title is kept for messages: the server's answer names an operation by its place alone.
  operations_.push_back({table.empty() ? op : fmt::format("{} in table {}", op, table), std::move(object)});
  if (changes) only_reads_ = false;
  return borrowed;
}

Transaction::Insert Transaction::insert(const std::string& table, const Row& row, const std::string& uuid_name) {
  json* operation = add("insert", table);
  put(operation, "row", to_json(row));
  if (!uuid_name.empty()) put(operation, "uuid-name", string_to_json(uuid_name));
  return {size() - 1};
}

Transaction::Select Transaction::select(const std::string& table, const Where& where,
                                        const std::vector<std::string>& columns) {
  json* operation = add("select", table, false);
  put(operation, "where", where_to_json(where));
  put(operation, "columns", strings_to_json(columns));
  return {size() - 1};
}

Transaction::Count Transaction::update(const std::string& table, const Where& where, const Row& row) {
  json* operation = add("update", table);
  put(operation, "where", where_to_json(where));
  put(operation, "row", to_json(row));
  return {size() - 1};
}

Transaction::Count Transaction::mutate(const std::string& table, const Where& where,
                                       const std::vector<Mutation>& mutations) {
  json* operation = add("mutate", table);
  put(operation, "where", where_to_json(where));
  JsonPtr array(json_array_create_empty());
  for (const auto& [column, mutator, value] : mutations) {
    json_array_add(array.get(), clause(column, mutator, value).release());
  }
  put(operation, "mutations", std::move(array));
  return {size() - 1};
}

Transaction::Count Transaction::remove(const std::string& table, const Where& where) {
  put(add("delete", table), "where", where_to_json(where));
  return {size() - 1};
}

std::size_t Transaction::wait(const std::string& table, const Where& where, const std::vector<std::string>& columns,
                              Until until, const std::vector<Row>& rows, std::chrono::milliseconds patience) {
  json* operation = add("wait", table, false);
  put(operation, "where", where_to_json(where));
  put(operation, "columns", strings_to_json(columns));
  put(operation, "until", string_to_json(until == Until::equal ? "==" : "!="));
  JsonPtr array(json_array_create_empty());
  for (const Row& row : rows) json_array_add(array.get(), to_json(row).release());
  put(operation, "rows", std::move(array));
  // 0 asks once. Without this member the server would wait for ever. Source: RFC 7047, 5.2.6.
  put(operation, "timeout", JsonPtr(json_integer_create(patience.count())));
  return size() - 1;
}

void Transaction::comment(const std::string& text) {
  put(add("comment", {}, false), "comment", string_to_json(text));
}

void Transaction::assert_lock(const std::string& lock) {
  put(add("assert", {}, false), "lock", string_to_json(lock));
}

/// Takes a reply apart: each operation's answer, the first error, and nothing less than was asked for.
class OutcomeReader {
 public:
  static std::variant<Outcome, Refusal> read(const json& reply, const std::vector<std::string>& titles) {
    if (reply.type != JSON_ARRAY) throw_malformed("an array of results", &reply);
    // The whole array first: an operation before the refused one has a result all the same, and the refusal of the
    // commit is one element more than there were operations. Source: RFC 7047, 4.1.3.
    for (std::size_t i = 0; i < reply.array.n; ++i) {
      const json* error = member(*reply.array.elems[i], "error");
      if (error && error->type != JSON_NULL) return refusal(i, *reply.array.elems[i], titles);
    }
    // After the search for errors: the server stops at the first, and answers null for those behind it.
    if (reply.array.n < titles.size()) {
      throw_malformed(fmt::format("{} results, one per operation", titles.size()), &reply);
    }
    Outcome outcome;
    for (std::size_t i = 0; i < titles.size(); ++i) {
      outcome.answers_.push_back(answer(*reply.array.elems[i], titles[i]));
    }
    return outcome;
  }

 private:
  static Refusal refusal(std::size_t i, const json& result, const std::vector<std::string>& titles) {
    return {i, i < titles.size() ? titles[i] : "commit", text_or(member(result, "error"), "an error of unknown form"),
            text_or(member(result, "details"), {})};
  }

  static Outcome::Answer answer(const json& result, std::string_view title) {
    if (result.type != JSON_OBJECT) throw_malformed(fmt::format("the result of \"{}\"", title), &result);
    Outcome::Answer read;
    // The title begins with the operation's name.
    const std::string_view op = title.substr(0, title.find(' '));
    if (op == "insert") {
      const json* uuid = member(result, "uuid");
      if (!uuid) throw_malformed("the UUID of the row inserted", &result);
      read.uuid = uuid_from_json(*uuid);
    } else if (op == "select") {
      read.rows = rows(result);
    } else if (op == "update" || op == "mutate" || op == "delete") {
      const json* count = member(result, "count");
      if (!count || count->type != JSON_INTEGER) throw_malformed("the number of rows changed", &result);
      read.count = count->integer;
    }
    return read;
  }

  static std::vector<Row> rows(const json& result) {
    const json* array = member(result, "rows");
    if (!array || array->type != JSON_ARRAY) throw_malformed("the rows selected", &result);
    std::vector<Row> read;
    for (std::size_t i = 0; i < array->array.n; ++i) read.push_back(row_from_json(*array->array.elems[i]));
    return read;
  }
};

std::variant<Outcome, Refusal> read_outcome(const json& reply, const std::vector<std::string>& titles) {
  return OutcomeReader::read(reply, titles);
}

std::variant<Outcome, Refusal> try_transact(Connection& connection, const Transaction& transaction, Deadline deadline) {
  JsonPtr params(json_array_create_empty());
  json_array_add(params.get(), string_to_json(transaction.database_).release());
  std::vector<std::string> titles;
  // Cloned, not given away: the transaction may be sent again.
  for (const auto& operation : transaction.operations_) {
    json_array_add(params.get(), json_clone(operation.object.get()));
    titles.push_back(operation.title);
  }
  // A change whose answer was lost may have been carried out: sent again, it would be made twice.
  const auto repeat = transaction.only_reads() ? Connection::Repeat::allowed : Connection::Repeat::forbidden;
  const Connection::Answer answer = connection.call("transact", params, deadline, repeat);
  if (answer.error) {
    // The request as a whole, not an operation of it: a server that has no such database, say.
    throw Error(Error::Code::ovsdb, fmt::format("asking the Open vSwitch database at {} for database \"{}\" failed: {}",
                                                connection.endpoint().text(), transaction.database_, answer.refusal()));
  }
  return read_outcome(*answer.result, titles);
}

void throw_refused(const Refusal& refusal, std::string_view doing) {
  throw Error(Error::Code::ovsdb,
              fmt::format("{} failed: the Open vSwitch database refused {}: {}", doing, refusal.title, refusal.error),
              refusal.details);
}

Outcome transact(Connection& connection, const Transaction& transaction, Deadline deadline, std::string_view doing) {
  auto result = try_transact(connection, transaction, deadline);
  if (const auto* refusal = std::get_if<Refusal>(&result)) throw_refused(*refusal, doing);
  return std::get<Outcome>(std::move(result));
}

}  // namespace barewire::ovsdb
