// SPDX-License-Identifier: Apache-2.0
/// One OVSDB transaction: operations collected, sent in one message, carried out all or not at all, in order. Nothing
/// is sent before transact(). Runs over a Connection (connection.h); rows and values are those of values.h. Source: RFC
/// 7047, sections 4.1.3 and 5.2.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ovs-plugin/ovsdb/connection.h"
#include "ovs-plugin/ovsdb/values.h"

namespace barewire::ovsdb {

/// `{"tag", "==", 100}`; functions are <, <=, ==, !=, >=, >, includes and excludes. Source: RFC 7047, 5.1 <condition>.
struct Condition {
  std::string column;
  std::string function;  ///< "==", "includes", …
  Value value;
};
/// All must hold; none: every row of the table.
using Where = std::vector<Condition>;
/// `{"ports", "insert", uuid}`; mutators are +=, -=, *=, /=, %=, insert and delete. Source: RFC 7047, 5.1 <mutation>.
struct Mutation {
  std::string column;
  std::string mutator;  ///< "insert", "delete", …
  Value value;
};

/// The row called `uuid`: the one condition a server answers without looking at every row.
Where row_is(const Uuid& uuid);

/// For monitor.h, whose conditions are written alike.
JsonPtr where_to_json(const Where& where);

class Outcome;
struct Refusal;

/// Operations are numbered from 0 as they are added. May be sent again: a refused one is as it was.
class Transaction {
 public:
  /// What an operation will answer, asked of the Outcome.
  struct Insert {
    std::size_t operation;
  };
  struct Select {
    std::size_t operation;
  };
  struct Count {
    std::size_t operation;
  };

  explicit Transaction(std::string database = "Open_vSwitch") : database_(std::move(database)) {}

  /// `uuid_name` lets the other operations refer to the row as NamedUuid; empty: nobody does. 5.2.1
  Insert insert(const std::string& table, const Row& row, const std::string& uuid_name = {});
  Select select(const std::string& table, const Where& where, const std::vector<std::string>& columns);  // 5.2.2
  Count update(const std::string& table, const Where& where, const Row& row);                            // 5.2.3
  Count mutate(const std::string& table, const Where& where, const std::vector<Mutation>& mutations);    // 5.2.4
  Count remove(const std::string& table, const Where& where);  // 5.2.5 "delete"

  /// Goes on only if (`equal`) or once (`different`) the rows found under `where` are exactly `rows`, which hold
  /// `columns`; given `patience` the server waits so long for others to make it so, then the transaction is refused.
  /// Answers the operation's number, to tell a refusal by. 5.2.6
  enum class Until { equal, different };
  std::size_t wait(const std::string& table, const Where& where, const std::vector<std::string>& columns, Until until,
                   const std::vector<Row>& rows, std::chrono::milliseconds patience = {});
  void comment(const std::string& text);      // 5.2.9: goes into the server's log of changes
  void assert_lock(const std::string& lock);  // 5.2.10

  /// Operations so far.
  std::size_t size() const noexcept { return operations_.size(); }
  /// No operation changes anything, so sending it twice does no harm.
  bool only_reads() const noexcept { return only_reads_; }

 private:
  friend std::variant<Outcome, Refusal> try_transact(Connection&, const Transaction&, Deadline);
  /// As it is sent, and by what name a refusal is told.
  struct Operation {
    std::string title;  // "insert in table Port"
    JsonPtr object;
  };
  /// The operation's object, which stays ours: the caller puts the rest into it.
  json* add(const char* op, const std::string& table, bool changes = true);

  std::string database_;
  std::vector<Operation> operations_;
  bool only_reads_ = true;
};

/// What a transaction that was carried out answered, operation by operation.
class Outcome {
 public:
  const Uuid& inserted(Transaction::Insert insert) const { return answers_.at(insert.operation).uuid; }
  const std::vector<Row>& rows(Transaction::Select select) const { return answers_.at(select.operation).rows; }
  /// Rows changed or deleted.
  std::int64_t count(Transaction::Count count) const { return answers_.at(count.operation).count; }

 private:
  friend class OutcomeReader;
  struct Answer {
    Uuid uuid;
    std::vector<Row> rows;
    std::int64_t count = 0;
  };
  std::vector<Answer> answers_;
};

/// Why the server undid a transaction; the database is as before. Source: RFC 7047, 5.2.
struct Refusal {
  std::size_t operation = 0;  ///< the one refused; the number of operations when committing them all was
  std::string title;          ///< "insert in table Port", "commit"
  std::string error;          ///< "timed out", "constraint violation", "referential integrity violation", …
  std::string details;        ///< the server's own words
};

/// Throws Error{try_again} as Connection::call does, and Error{ovsdb} when the reply is not what RFC 7047 says: shorter
/// than the operations, or an answer of another kind.
std::variant<Outcome, Refusal> try_transact(Connection& connection, const Transaction& transaction, Deadline deadline);
/// The reply to a transaction whose operations have these titles ("insert in table Port"); try_transact without the
/// sending, for tests and fuzzing.
std::variant<Outcome, Refusal> read_outcome(const json& reply, const std::vector<std::string>& titles);
/// Also throws Error{ovsdb} on refusal: "<doing> failed: the Open vSwitch database refused insert in table Port: …",
/// the server's words as hint.
Outcome transact(Connection& connection, const Transaction& transaction, Deadline deadline, std::string_view doing);
/// The Error{ovsdb} of transact(), for who looked at the refusal first.
[[noreturn]] void throw_refused(const Refusal& refusal, std::string_view doing);

}  // namespace barewire::ovsdb
