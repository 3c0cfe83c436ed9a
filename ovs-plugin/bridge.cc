// SPDX-License-Identifier: Apache-2.0
// Only the columns needed are asked for, of the rows needed: a bridge may have thousands of ports.
#include "ovs-plugin/bridge.h"

#include "core/error.h"
#include "core/trace.h"
#include "ovs-plugin/config_watch.h"
#include "ovs-plugin/ovsdb/lock.h"

namespace barewire::ovs {
namespace {

using ovsdb::Transaction;
using ovsdb::Where;

std::vector<Bridge> select_bridges(Connection& connection, const Where& where, Deadline deadline) {
  Transaction transaction;
  const auto selected = transaction.select("Bridge", where, {"_uuid", "name", "datapath_type"});
  const auto outcome = transact(connection, transaction, deadline, "reading bridges");
  std::vector<Bridge> bridges;
  for (const Row& row : outcome.rows(selected)) {
    bridges.push_back({row.get<Uuid>("_uuid"), row.get<std::string>("name"), row.get<std::string>("datapath_type")});
  }
  return bridges;
}

std::optional<Bridge> first_of(std::vector<Bridge> bridges) {
  if (bridges.empty()) return std::nullopt;
  return std::move(bridges.front());
}

}  // namespace

std::optional<Bridge> find_bridge(Connection& connection, const std::string& name, Deadline deadline) {
  return first_of(select_bridges(connection, {{"name", "==", name}}, deadline));
}

std::optional<Bridge> find_bridge_of_port(Connection& connection, const std::string& port_name, Deadline deadline) {
  Transaction transaction;
  const auto selected = transaction.select("Port", {{"name", "==", port_name}}, {"_uuid"});
  const auto outcome = transact(connection, transaction, deadline, fmt::format("looking for port {}", port_name));
  if (outcome.rows(selected).empty()) return std::nullopt;
  const Uuid port = outcome.rows(selected).front().get<Uuid>("_uuid");
  return first_of(select_bridges(connection, {{"ports", "includes", port}}, deadline));
}

std::vector<Bridge> list_bridges(Connection& connection, Deadline deadline) {
  return select_bridges(connection, {}, deadline);
}

bool switch_is_running(Connection& connection, Deadline deadline) {
  // A running ovs-vswitchd holds this lock of the database, so that a second one does not start. Source:
  // vswitchd/bridge.c.
  return ovsdb::is_locked_by_another(connection, "ovs_vswitchd", deadline);
}

// The table always holds one row, so no condition is needed. Source: ovs-vswitchd.conf.db(5), "Open_vSwitch TABLE".
Transaction::Select count_change(Transaction& transaction) {
  // Added to, not set: the number belongs to everybody who changes the database, and each gets one of its own.
  // ovs-vswitchd copies it to cur_cfg when it has carried out all up to that.
  transaction.mutate("Open_vSwitch", {}, {{"next_cfg", "+=", 1}});
  return transaction.select("Open_vSwitch", {}, {"_uuid", "next_cfg"});
}

Change change_of(const ovsdb::Outcome& outcome, Transaction::Select counted) {
  const auto& rows = outcome.rows(counted);
  if (rows.size() != 1) {
    throw Error(Error::Code::ovsdb,
                fmt::format("reading table Open_vSwitch failed: expected one row, found {}", rows.size()),
                "the database was never set up: has ovs-vswitchd been started, or `ovs-vsctl init` run?");
  }
  return {rows.front().get<Uuid>("_uuid"), rows.front().get<std::int64_t>("next_cfg")};
}

void throw_not_carried_out(const Connection& connection, const Change& change, std::int64_t carried_out,
                           std::string_view doing) {
  throw Error(
      Error::Code::try_again, fmt::format("{} failed: ovs-vswitchd did not carry it out in time", doing),
      fmt::format("ovs-vswitchd is down, hung or overloaded: the database at {} is at change {}, ovs-vswitchd at {}",
                  connection.endpoint().text(), change.number, carried_out));
}

void wait_until_carried_out(Connection& connection, const Change& change, Deadline deadline) {
  const trace::Span span("ovs-vswitchd wait");
  const auto enough = [&](const Progress& progress) { return progress.carried_out >= change.number; };
  const Progress progress = watch_progress(connection, change.root, nullptr, enough, deadline);
  if (!enough(progress)) throw_not_carried_out(connection, change, progress.carried_out, "changing Open vSwitch");
}

}  // namespace barewire::ovs
