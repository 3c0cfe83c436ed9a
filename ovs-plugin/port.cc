// SPDX-License-Identifier: Apache-2.0
// A port is three rows that belong together: they come and go in one transaction. The bridge's set of ports is mutated,
// never written.
#include "ovs-plugin/port.h"

#include <algorithm>

#include "core/error.h"
#include "ovs-plugin/config_watch.h"

namespace barewire::ovs {
namespace {

using ovsdb::NamedUuid;
using ovsdb::Refusal;
using ovsdb::row_is;
using ovsdb::Transaction;
using ovsdb::Where;

constexpr const char* kInterfaceId = "new_interface";
constexpr const char* kPortId = "new_port";
constexpr const char* kQosId = "new_qos";

const std::vector<std::string>& port_columns() {
  static const std::vector<std::string> columns{"_uuid",  "name",      "interfaces", "external_ids", "tag",
                                                "trunks", "vlan_mode", "qos",        "protected"};
  return columns;
}

Port read_port(const Row& row) {
  return {row.get<Uuid>("_uuid"),
          row.get<std::string>("name"),
          row.all<Uuid>("interfaces"),
          row.string_map("external_ids"),
          row.find<std::int64_t>("tag"),
          row.all<std::int64_t>("trunks"),
          row.find<std::string>("vlan_mode").value_or(""),
          row.find<Uuid>("qos"),
          row.get<bool>("protected")};
}

std::vector<Port> read_ports(const std::vector<Row>& rows) {
  std::vector<Port> ports;
  for (const Row& row : rows) ports.push_back(read_port(row));
  return ports;
}

std::vector<Port> select_ports(Connection& connection, const Where& where, Deadline deadline) {
  Transaction transaction;
  const auto selected = transaction.select("Port", where, port_columns());
  const auto outcome = transact(connection, transaction, deadline, "reading ports");
  return read_ports(outcome.rows(selected));
}

// Goes on only while the port still has the owner it had when it was read.
std::size_t guard_owner(Transaction& transaction, const Port& port) {
  return transaction.wait("Port", row_is(port.row), {"external_ids"}, Transaction::Until::equal,
                          {Row{{"external_ids", ovsdb::Value(port.external_ids)}}});
}

/// external_ids of the port's QoS when it was made for this port; nullopt when it is somebody else's, or there is none.
std::optional<StringMap> find_own_qos(Connection& connection, const Port& port, Deadline deadline) {
  if (!port.qos) return std::nullopt;
  Transaction transaction;
  const auto selected = transaction.select("QoS", row_is(*port.qos), {"external_ids"});
  const auto outcome = transact(connection, transaction, deadline, "reading the QoS of port " + port.name);
  if (outcome.rows(selected).empty()) return std::nullopt;
  StringMap owner = outcome.rows(selected).front().string_map("external_ids");
  // The port may have got further keys since.
  // QoS rows can be shared by ports; ours carries the owner of the one port it was made for.
  const bool is_own =
      !owner.empty() && std::includes(port.external_ids.begin(), port.external_ids.end(), owner.begin(), owner.end());
  return is_own ? std::optional(std::move(owner)) : std::nullopt;
}

void take_off_bridge(Transaction& transaction, const Port& port, const std::optional<StringMap>& own_qos) {
  transaction.mutate("Bridge", {{"ports", "includes", port.row}}, {{"ports", "delete", port.row}});
  // The rows of Port and Interface go with the last reference to them; QoS and Queue are roots and stay unless deleted.
  // Source: RFC 7047, 3.2 "isRoot".
  if (!own_qos) return;
  // The server counts references before it drops the port, so the port lets go of them itself.
  transaction.update("Port", row_is(port.row), Row{{"qos", ovsdb::Value()}});
  const ovsdb::Condition same_owner{"external_ids", "==", ovsdb::Value(*own_qos)};
  transaction.remove("QoS", {{"_uuid", "==", *port.qos}});
  transaction.remove("Queue", {same_owner});
}

/// The transaction that adds a port, and what its refusal means.
class Addition {
 public:
  Addition(Connection& connection, const PortRequest& request, Deadline deadline) : request_(request) {
    transaction_.comment(fmt::format("barewire: add port {} to bridge {}", request.name, request.bridge.name));
    guard();
    if (request.replaces)
      take_off_bridge(transaction_, *request.replaces, find_own_qos(connection, *request.replaces, deadline));
    insert();
    counted_ = count_change(transaction_);
  }

  AddedPort run(Connection& connection, Deadline deadline) {
    const auto result = try_transact(connection, transaction_, deadline);
    if (const auto* refusal = std::get_if<Refusal>(&result)) explain(*refusal);
    const auto& outcome = std::get<ovsdb::Outcome>(result);
    return {outcome.inserted(port_), outcome.inserted(interface_), request_.name, change_of(outcome, counted_)};
  }

 private:
  void guard() {
    bridge_guard_ = transaction_.wait("Bridge", row_is(request_.bridge.row), {"name"}, Transaction::Until::equal,
                                      {Row{{"name", request_.bridge.name}}});
    if (request_.replaces) {
      last_guard_ = guard_owner(transaction_, *request_.replaces);
      return;
    }
    const Where same_name{{"name", "==", request_.name}};
    // A second row of that name would be refused at the commit, by an error that does not say which. This guard does.
    transaction_.wait("Port", same_name, {"name"}, Transaction::Until::equal, {});
    last_guard_ = transaction_.wait("Interface", same_name, {"name"}, Transaction::Until::equal, {});
  }

  void insert() {
    Row interface = request_.interface;
    interface.set("name", request_.name);
    interface_ = transaction_.insert("Interface", interface, kInterfaceId);
    Row port = request_.port;
    port.set("name", request_.name);
    port.set("interfaces", NamedUuid{kInterfaceId});
    if (request_.qos) port.set("qos", insert_qos(*request_.qos));
    port_ = transaction_.insert("Port", port, kPortId);
    transaction_.mutate("Bridge", row_is(request_.bridge.row), {{"ports", "insert", NamedUuid{kPortId}}});
  }

  NamedUuid insert_qos(const QosRequest& request) {
    const ovsdb::Value owner = request_.port.has("external_ids") ? request_.port.at("external_ids") : ovsdb::Value();
    ovsdb::Map queues;
    for (const auto& [number, columns] : request.queues) {
      // Rows of one transaction refer to each other by such names before they have UUIDs. Source: RFC 7047, 5.1.
      const NamedUuid id{fmt::format("new_queue_{}", number)};
      Row queue = columns;
      queue.set("external_ids", owner);
      transaction_.insert("Queue", queue, id.name);
      queues.emplace(number, id);
    }
    Row qos = request.qos;
    qos.set("external_ids", owner);
    qos.set("queues", ovsdb::Value(std::move(queues)));
    transaction_.insert("QoS", qos, kQosId);
    return NamedUuid{kQosId};
  }

  [[noreturn]] void explain(const Refusal& refusal) const {
    const std::string doing = fmt::format("adding port {} to bridge {}", request_.name, request_.bridge.name);
    if (refusal.error == "timed out" && refusal.operation == bridge_guard_) {
      throw Error(Error::Code::device, doing + " failed: the bridge is gone", "it was deleted meanwhile");
    }
    if (refusal.error == "timed out" && refusal.operation <= last_guard_) {
      throw Error(Error::Code::held, doing + " failed: the name is taken by a port that is not ours",
                  fmt::format("`ovs-vsctl list Port {}` shows whose it is", request_.name));
    }
    throw_refused(refusal, doing);
  }

  const PortRequest& request_;
  Transaction transaction_;
  std::size_t bridge_guard_ = 0;
  std::size_t last_guard_ = 0;
  Transaction::Insert interface_{};
  Transaction::Insert port_{};
  Transaction::Select counted_{};
};

[[noreturn]] void throw_not_taken(const AddedPort& port, std::string_view why, std::string hint) {
  throw Error(Error::Code::ovsdb, fmt::format("adding port {} to its bridge failed: ovs-vswitchd {}", port.name, why),
              std::move(hint));
}

}  // namespace

AddedPort add_port(Connection& connection, const PortRequest& request, Deadline deadline) {
  return Addition(connection, request, deadline).run(connection, deadline);
}

std::int64_t wait_for_port(Connection& connection, const AddedPort& port, Deadline deadline) {
  const auto enough = [&](const Progress& progress) {
    return progress.ofport || !progress.error.empty() || progress.carried_out >= port.change.number;
  };
  const Progress progress = watch_progress(connection, port.change.root, &port.interface, enough, deadline);
  // In this order: a number says that all is well whatever else is there, an error says why it is not, and only then
  // does the count of changes tell that ovs-vswitchd has not come to it.
  if (progress.ofport && *progress.ofport > 0) return *progress.ofport;
  if (!progress.error.empty()) throw_not_taken(port, "rejected it: " + progress.error, {});
  if (progress.ofport) throw_not_taken(port, "rejected it and did not say why", "its log tells");
  if (!enough(progress)) {
    throw_not_carried_out(connection, port.change, progress.carried_out, fmt::format("adding port {}", port.name));
  }
  if (!progress.interface_exists) throw_not_taken(port, "never saw it: the port was deleted meanwhile", {});
  throw_not_taken(port, "carried the change out without it",
                  "the bridge itself may not exist in the datapath: see `ovs-vsctl show` for its error");
}

bool wait_for_link(Connection& connection, const AddedPort& port, Deadline deadline) {
  // An interface that was refused will never come up: its error ends the wait.
  const auto enough = [](const Progress& progress) { return progress.link_up || !progress.error.empty(); };
  return watch_progress(connection, port.change.root, &port.interface, enough, deadline).link_up;
}

Suspects find_suspects(Connection& connection, const StringMap& mark, const StringMap& this_boot, Deadline deadline) {
  Transaction transaction;
  const auto earlier = transaction.select(
      "Port", {{"external_ids", "includes", ovsdb::Value(mark)}, {"external_ids", "excludes", ovsdb::Value(this_boot)}},
      port_columns());
  // An optional column that is not empty. Source: RFC 7047, 5.1 <condition>.
  const auto failed = transaction.select("Interface", {{"error", "!=", ovsdb::Value()}}, {"_uuid"});
  const auto outcome = transact(connection, transaction, deadline, "looking for ports of pods that are gone");
  Suspects suspects{read_ports(outcome.rows(earlier)), {}};
  for (const Row& row : outcome.rows(failed))
    for (Port& port : select_ports(connection, {{"interfaces", "includes", row.get<Uuid>("_uuid")}}, deadline))
      suspects.failed.push_back(std::move(port));
  return suspects;
}

std::vector<Port> find_ports(Connection& connection, const StringMap& owner, Deadline deadline) {
  // An empty map is included in every port's: all of them would be found, and deleted.
  if (owner.empty()) throw Error(Error::Code::internal, "finding ports of an owner failed: no owner given");
  return select_ports(connection, {{"external_ids", "includes", ovsdb::Value(owner)}}, deadline);
}

std::optional<Port> find_port(Connection& connection, const std::string& name, Deadline deadline) {
  std::vector<Port> ports = select_ports(connection, {{"name", "==", name}}, deadline);
  if (ports.empty()) return std::nullopt;
  return std::move(ports.front());
}

std::optional<Interface> find_interface(Connection& connection, const Uuid& uuid, Deadline deadline) {
  Transaction transaction;
  const auto selected =
      transaction.select("Interface", row_is(uuid),
                         {"name", "type", "ofport", "error", "link_state", "mac_in_use", "external_ids", "options"});
  const auto outcome = transact(connection, transaction, deadline, "reading an interface");
  if (outcome.rows(selected).empty()) return std::nullopt;
  const Row& row = outcome.rows(selected).front();
  return Interface{uuid,
                   row.get<std::string>("name"),
                   row.get<std::string>("type"),
                   row.find<std::int64_t>("ofport"),
                   row.find<std::string>("error").value_or(""),
                   row.find<std::string>("link_state").value_or(""),
                   row.find<std::string>("mac_in_use").value_or(""),
                   row.string_map("external_ids"),
                   row.string_map("options")};
}

std::optional<Change> delete_port(Connection& connection, const Port& port, Deadline deadline) {
  Transaction transaction;
  transaction.comment(fmt::format("barewire: delete port {}", port.name));
  const std::size_t owner_guard = guard_owner(transaction, port);
  take_off_bridge(transaction, port, find_own_qos(connection, port, deadline));
  const auto counted = count_change(transaction);
  const auto result = try_transact(connection, transaction, deadline);
  if (const auto* outcome = std::get_if<ovsdb::Outcome>(&result)) return change_of(*outcome, counted);
  const Refusal& refusal = std::get<Refusal>(result);
  const std::string doing = fmt::format("deleting port {}", port.name);
  if (refusal.error != "timed out" || refusal.operation != owner_guard) throw_refused(refusal, doing);
  // The guard fails for two reasons: the row is gone, which is what was wanted, or it is another's.
  if (select_ports(connection, row_is(port.row), deadline).empty()) return std::nullopt;
  throw Error(Error::Code::held, doing + " failed: it belongs to someone else now",
              fmt::format("its external_ids changed; `ovs-vsctl list Port {}` shows them", port.name));
}

}  // namespace barewire::ovs
