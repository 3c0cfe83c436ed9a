// SPDX-License-Identifier: Apache-2.0
/// Watching a few rows of the database for changes: rows picked by conditions, and of them a few columns, so that the
/// cost does not depend on how much else there is. Works over a Connection (connection.h).
/// Source: ovsdb-server(7), sections 4.1.12 "Monitor_cond" and 4.1.14 "Update2 Notification"; RFC 7047, 4.1.5 to 4.1.7.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ovs-plugin/ovsdb/connection.h"
#include "ovs-plugin/ovsdb/transaction.h"
#include "ovs-plugin/ovsdb/values.h"

namespace barewire::ovsdb {

/// Rows by their name.
using Rows = std::map<Uuid, Row>;
/// Carries <table-updates2> out on `rows`. Throws Error{ovsdb} when it is malformed; rows before that are changed.
void apply_updates(Rows& rows, const json& updates);

/// One monitor in one session of a Connection, which outlives it. Other calls may go over that meanwhile: what comes
/// for the monitor between their answers is kept for it.
class Monitor {
 public:
  /// What to watch. `where` must not be empty: that would be the whole table.
  /// Columns must hold at most one value each, since of larger sets and of maps the server sends only differences.
  struct Watch {
    std::string table;
    Where where;
    std::vector<std::string> columns;
  };

  /// nullopt when the server does not know monitor_cond (it is older than 2.6). Throws Error{try_again} as
  /// Connection::call does, Error{ovsdb} when it refuses.
  static std::optional<Monitor> start(Connection& connection, const std::vector<Watch>& watches, Deadline deadline);
  Monitor(Monitor&& other) noexcept;
  Monitor& operator=(Monitor&&) = delete;
  /// Tells the server to stop, without waiting for it.
  ~Monitor();

  /// The row as last heard of, maybe without columns that hold their default (0, "", empty); nullptr when it is not
  /// there (any more).
  const Row* row(const Uuid& uuid) const;

  /// Waits for the next change of a watched row. `lost`: the connection broke; make another Monitor.
  enum class Event { changed, timed_out, lost };
  /// Throws Error{ovsdb} for an update that is malformed.
  Event wait(Deadline deadline);

 private:
  Monitor(Connection& connection, std::string id) : connection_(&connection), id_(std::move(id)) {}
  Connection* connection_;
  std::string id_;
  unsigned session_ = 0;
  Rows rows_;
};

}  // namespace barewire::ovsdb
