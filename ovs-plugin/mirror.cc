// SPDX-License-Identifier: Apache-2.0
// Mirrors are shared between pods, so each change is a guarded mutation of a set, never a row written back.
#include "ovs-plugin/mirror.h"

#include <algorithm>

#include "core/error.h"

namespace barewire::ovs {
namespace {

using ovsdb::Mutation;
using ovsdb::NamedUuid;
using ovsdb::row_is;
using ovsdb::Set;
using ovsdb::Transaction;
using ovsdb::Value;

constexpr const char* kMirrorId = "new_mirror";

/// The mirrors of a bridge, and the one looked for among them.
struct Found {
  Value bridge_mirrors;
  std::optional<Mirror> mirror;
};

Value set_of(const std::vector<Uuid>& uuids) {
  return Value(Set(uuids.begin(), uuids.end()));
}

bool contains(const std::vector<Uuid>& uuids, const Uuid& uuid) {
  return std::find(uuids.begin(), uuids.end(), uuid) != uuids.end();
}

const std::vector<std::string>& mirror_columns() {
  static const std::vector<std::string> columns{"_uuid",           "name",        "select_src_port",
                                                "select_dst_port", "output_port", "external_ids"};
  return columns;
}

Mirror read_mirror(const Row& row) {
  return {row.get<Uuid>("_uuid"),           row.get<std::string>("name"),  row.all<Uuid>("select_src_port"),
          row.all<Uuid>("select_dst_port"), row.find<Uuid>("output_port"), row.string_map("external_ids")};
}

Found look(Connection& connection, const Bridge& bridge, const std::string& name, Deadline deadline) {
  Transaction transaction;
  const auto bridges = transaction.select("Bridge", row_is(bridge.row), {"mirrors"});
  const auto mirrors = transaction.select("Mirror", {{"name", "==", name}}, mirror_columns());
  const auto outcome = transact(connection, transaction, deadline, fmt::format("looking for mirror {}", name));
  Found found;
  for (const Row& row : outcome.rows(bridges)) found.bridge_mirrors = row.at("mirrors");
  const std::vector<Uuid> of_bridge = found.bridge_mirrors.all<Uuid>();
  // Another bridge may have a mirror of the same name.
  for (const Row& row : outcome.rows(mirrors)) {
    if (contains(of_bridge, row.get<Uuid>("_uuid"))) found.mirror = read_mirror(row);
  }
  return found;
}

// Goes on only if the mirror still is what was read.
void guard_mirror(Transaction& transaction, const Mirror& mirror) {
  const Value output = mirror.output_port ? Value(*mirror.output_port) : Value();
  transaction.wait("Mirror", row_is(mirror.row), {"select_src_port", "select_dst_port", "output_port"},
                   Transaction::Until::equal,
                   {Row{{"select_src_port", set_of(mirror.select_src_port)},
                        {"select_dst_port", set_of(mirror.select_dst_port)},
                        {"output_port", output}}});
}

void guard_bridge(Transaction& transaction, const Bridge& bridge, const Value& mirrors) {
  transaction.wait("Bridge", row_is(bridge.row), {"mirrors"}, Transaction::Until::equal, {Row{{"mirrors", mirrors}}});
}

Row new_mirror(const MirrorRequest& request) {
  Row row{{"name", request.mirror}, {"external_ids", Value(request.owner)}};
  if (request.role.source) row.set("select_src_port", request.port);
  if (request.role.destination) row.set("select_dst_port", request.port);
  if (request.role.output) row.set("output_port", request.port);
  return row;
}

void join_existing(Transaction& transaction, const MirrorRequest& request, const Mirror& mirror) {
  // Looked at here and guarded in the transaction: the column holds one port, and an insert into a full one is refused
  // by the server with an error that says nothing of mirrors.
  if (request.role.output && mirror.output_port && *mirror.output_port != request.port) {
    throw Error(Error::Code::held,
                fmt::format("sending the copies of mirror {} to another port failed: they already go to "
                            "one",
                            request.mirror),
                fmt::format("`ovs-vsctl list Mirror {}` shows it as output_port", request.mirror));
  }
  guard_mirror(transaction, mirror);
  std::vector<Mutation> mutations;
  if (request.role.source) mutations.push_back({"select_src_port", "insert", request.port});
  if (request.role.destination) mutations.push_back({"select_dst_port", "insert", request.port});
  if (request.role.output) mutations.push_back({"output_port", "insert", request.port});
  transaction.mutate("Mirror", row_is(mirror.row), mutations);
}

void make_mirror(Transaction& transaction, const MirrorRequest& request, const Value& bridge_mirrors) {
  // Two producers that find no mirror would both make one of the same name; the guard lets only the first through.
  guard_bridge(transaction, request.bridge, bridge_mirrors);
  // In one transaction with the bridge's reference: a mirror that no bridge names is dropped at the commit.
  transaction.insert("Mirror", new_mirror(request), kMirrorId);
  transaction.mutate("Bridge", row_is(request.bridge.row), {{"mirrors", "insert", NamedUuid{kMirrorId}}});
}

bool is_owned(const Mirror& mirror, const StringMap& owner) {
  return !owner.empty() &&
         std::includes(mirror.external_ids.begin(), mirror.external_ids.end(), owner.begin(), owner.end());
}

bool holds_nothing_but(const Mirror& mirror, const Uuid& port) {
  const auto is_port = [&](const Uuid& uuid) { return uuid == port; };
  return std::all_of(mirror.select_src_port.begin(), mirror.select_src_port.end(), is_port) &&
         std::all_of(mirror.select_dst_port.begin(), mirror.select_dst_port.end(), is_port) &&
         (!mirror.output_port || *mirror.output_port == port);
}

bool holds(const Mirror& mirror, const Uuid& port) {
  return contains(mirror.select_src_port, port) || contains(mirror.select_dst_port, port) || mirror.output_port == port;
}

/// Of ours, with nobody else in it: a port that was deleted has left it by itself, and did not take it along.
bool is_left_over(const Mirror& mirror, const MirrorRequest& request) {
  return is_owned(mirror, request.owner) && holds_nothing_but(mirror, request.port);
}

void leave(Transaction& transaction, const MirrorRequest& request, const Mirror& mirror) {
  guard_mirror(transaction, mirror);
  if (is_left_over(mirror, request)) {
    // The row goes with the last reference to it.
    transaction.mutate("Bridge", row_is(request.bridge.row), {{"mirrors", "delete", mirror.row}});
    return;
  }
  transaction.mutate("Mirror", row_is(mirror.row),
                     {{"select_src_port", "delete", request.port},
                      {"select_dst_port", "delete", request.port},
                      {"output_port", "delete", request.port}});
}

// nullopt when a guard stopped it: someone changed the mirror between reading and writing.
std::optional<Change> commit(Connection& connection, Transaction& transaction, std::string_view doing,
                             Deadline deadline) {
  const auto counted = count_change(transaction);
  const auto result = try_transact(connection, transaction, deadline);
  if (const auto* outcome = std::get_if<ovsdb::Outcome>(&result)) return change_of(*outcome, counted);
  const auto& refusal = std::get<ovsdb::Refusal>(result);
  // A guard is a "wait" of no time: "timed out" is its way to say that what was read is no longer so.
  if (refusal.error != "timed out") throw_refused(refusal, doing);
  return std::nullopt;
}

[[noreturn]] void throw_contended(std::string_view doing) {
  throw Error(Error::Code::try_again, fmt::format("{} failed: others kept changing it", doing));
}

}  // namespace

std::optional<Mirror> find_mirror(Connection& connection, const Bridge& bridge, const std::string& name,
                                  Deadline deadline) {
  return look(connection, bridge, name, deadline).mirror;
}

std::vector<Mirror> find_mirrors(Connection& connection, const Bridge& bridge, Deadline deadline) {
  Transaction transaction;
  const auto bridges = transaction.select("Bridge", row_is(bridge.row), {"mirrors"});
  const auto mirrors = transaction.select("Mirror", {}, mirror_columns());
  const auto outcome = transact(connection, transaction, deadline, fmt::format("reading mirrors of {}", bridge.name));
  std::vector<Uuid> of_bridge;
  for (const Row& row : outcome.rows(bridges)) of_bridge = row.all<Uuid>("mirrors");
  std::vector<Mirror> found;
  for (const Row& row : outcome.rows(mirrors)) {
    if (contains(of_bridge, row.get<Uuid>("_uuid"))) found.push_back(read_mirror(row));
  }
  return found;
}

Change join_mirror(Connection& connection, const MirrorRequest& request, Deadline deadline) {
  const std::string doing = fmt::format("joining mirror {} of bridge {}", request.mirror, request.bridge.name);
  while (!ovsdb::has_passed(deadline)) {
    const Found found = look(connection, request.bridge, request.mirror, deadline);
    Transaction transaction;
    transaction.comment("barewire: " + doing);
    if (found.mirror) {
      join_existing(transaction, request, *found.mirror);
    } else {
      make_mirror(transaction, request, found.bridge_mirrors);
    }
    if (const auto change = commit(connection, transaction, doing, deadline)) return *change;
  }
  throw_contended(doing);
}

std::optional<Change> leave_mirror(Connection& connection, const MirrorRequest& request, Deadline deadline) {
  const std::string doing = fmt::format("leaving mirror {} of bridge {}", request.mirror, request.bridge.name);
  while (!ovsdb::has_passed(deadline)) {
    const std::optional<Mirror> mirror = find_mirror(connection, request.bridge, request.mirror, deadline);
    // Somebody has deleted it, and the port's membership with it.
    if (!mirror) return std::nullopt;
    if (!holds(*mirror, request.port) && !is_left_over(*mirror, request)) return std::nullopt;
    Transaction transaction;
    transaction.comment("barewire: " + doing);
    leave(transaction, request, *mirror);
    if (const auto change = commit(connection, transaction, doing, deadline)) return change;
  }
  throw_contended(doing);
}

}  // namespace barewire::ovs
