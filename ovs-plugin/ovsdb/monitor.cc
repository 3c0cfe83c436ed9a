// SPDX-License-Identifier: Apache-2.0
// Only what is watched comes over the wire; the first answer is the state at the start, so no change is lost between.
#include "ovs-plugin/ovsdb/monitor.h"

#include <cstring>
#include <utility>

#include "core/error.h"
#include "ovs-plugin/ovsdb/libopenvswitch.h"

namespace barewire::ovsdb {

namespace {

constexpr const char* kDatabase = "Open_vSwitch";

JsonPtr requests_to_json(const std::vector<Monitor::Watch>& watches) {
  JsonPtr tables(json_object_create());
  for (const auto& [table, where, columns] : watches) {
    // Without a condition a switch of thousands of ports would send them all.
    if (where.empty())
      throw Error(Error::Code::internal, fmt::format("watching all of table {} is not offered", table));
    JsonPtr request(json_object_create());
    json_object_put(request.get(), "where", where_to_json(where).release());
    json_object_put(request.get(), "columns", strings_to_json(columns).release());
    json_object_put(tables.get(), table.c_str(), json_array_create_1(request.release()));
  }
  return tables;
}

const shash& object_of(const json& value, std::string_view expected) {
  if (value.type != JSON_OBJECT) throw_malformed(expected, &value);
  return *value.object;
}

// A new row comes without the columns that hold their default. Source: ovsdb-server(7), 4.1.14.
void apply_to_row(Rows& rows, const Uuid& uuid, const json& update) {
  const shash_node* part = shash_first(&object_of(update, "a row update"));
  if (!part) throw_malformed("initial, insert, modify or delete", &update);
  if (!std::strcmp(part->name, "delete")) {
    rows.erase(uuid);
    return;
  }
  const Row changed = row_from_json(*static_cast<const json*>(part->data));
  Row& row = rows[uuid];
  for (const auto& [column, value] : changed.columns()) row.set(column, value);
}

}  // namespace

void apply_updates(Rows& rows, const json& updates) {
  const shash_node* table;
  SHASH_FOR_EACH(table, &object_of(updates, "tables with updates")) {
    const shash_node* row;
    SHASH_FOR_EACH(row, &object_of(*static_cast<const json*>(table->data), "rows with updates")) {
      apply_to_row(rows, Uuid{row->name}, *static_cast<const json*>(row->data));
    }
  }
}

std::optional<Monitor> Monitor::start(Connection& connection, const std::vector<Watch>& watches, Deadline deadline) {
  Monitor monitor(connection, connection.unique_name("rows"));
  JsonPtr requests = requests_to_json(watches);
  const JsonPtr params(
      json_array_create_3(json_string_create(kDatabase), json_string_create(monitor.id_.c_str()), requests.release()));
  const auto answer = connection.call("monitor_cond", params, deadline, Connection::Repeat::allowed);
  // A server before Open vSwitch 2.6.
  if (answer.refusal() == "unknown method") return std::nullopt;
  if (answer.error) {
    throw Error(Error::Code::ovsdb, fmt::format("watching rows of the Open vSwitch database at {} failed: {}",
                                                connection.endpoint().text(), answer.refusal()));
  }
  // Only now: the call may have opened the connection anew.
  monitor.session_ = connection.session();
  apply_updates(monitor.rows_, *answer.result);
  return monitor;
}

Monitor::Monitor(Monitor&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)),
      id_(std::move(other.id_)),
      session_(other.session_),
      rows_(std::move(other.rows_)) {}

Monitor::~Monitor() {
  // Not a notification in RFC 7047, 4.1.7, but its answer is of no interest: sent as a request nobody waits for.
  if (connection_ && session_ && session_ == connection_->session()) {
    connection_->send_unawaited("monitor_cancel", JsonPtr(json_array_create_1(json_string_create(id_.c_str()))));
  }
}

const Row* Monitor::row(const Uuid& uuid) const {
  const auto found = rows_.find(uuid);
  return found == rows_.end() ? nullptr : &found->second;
}

Monitor::Event Monitor::wait(Deadline deadline) {
  // The connection was opened anew for another request, and monitors end with their session.
  if (session_ != connection_->session()) return Event::lost;
  const JsonPtr updates = connection_->next_update(id_, deadline);
  if (!updates) return connection_->is_open() ? Event::timed_out : Event::lost;
  apply_updates(rows_, *updates);
  return Event::changed;
}

}  // namespace barewire::ovsdb
