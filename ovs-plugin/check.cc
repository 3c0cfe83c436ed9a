// SPDX-License-Identifier: Apache-2.0
// Every column that ADD wrote is compared, and no other: administrators add their own.
#include "ovs-plugin/check.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <iterator>
#include <map>

#include "core/cni/configure.h"
#include "core/cni/later_plugins.h"
#include "core/kernel/link.h"
#include "ovs-plugin/fake_bridge.h"
#include "ovs-plugin/ovs_config.h"
#include "ovs-plugin/owner.h"
#include "ovs-plugin/port.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

using ovsdb::Connection;
using Clauses = std::vector<std::string>;

std::string shown(const ovsdb::Value& value) {
  return value.empty() ? "not set" : value.text();
}

/// Maps may hold more than is expected: others write there too.
bool is_as_expected(const ovsdb::Value& found, const ovsdb::Value& expected) {
  if (!expected.is_map()) return found == expected;
  const ovsdb::StringMap pairs = found.string_map();
  for (const auto& [key, value] : expected.string_map()) {
    const auto pair = pairs.find(key);
    if (pair == pairs.end() || pair->second != value) return false;
  }
  return true;
}

void compare_row(Connection& connection, const std::string& table, const Uuid& row, const Row& expected,
                 Clauses& clauses) {
  std::vector<std::string> columns;
  for (const auto& [column, value] : expected.columns()) columns.push_back(column);
  ovsdb::Transaction transaction;
  const auto selected = transaction.select(table, ovsdb::row_is(row), columns);
  const auto outcome = transact(connection, transaction, soon(), "reading table " + table);
  if (outcome.rows(selected).empty()) {
    clauses.push_back(fmt::format("its row in table {} is gone", table));
    return;
  }
  for (const auto& [column, value] : expected.columns()) {
    const ovsdb::Value& found = outcome.rows(selected).front().at(column);
    if (!is_as_expected(found, value))
      clauses.push_back(fmt::format("{}.{} is {}, expected {}", table, column, shown(found), shown(value)));
  }
}

std::optional<Port> find_own_port(Connection& connection, const cni::Request& request) {
  auto ports = find_ports(connection, owner_of(state::attachment_id(request, kPlugin)), soon());
  // A pod may have been attached by ovs-cni before the node changed over; its keys mean the same here.
  if (ports.empty()) ports = find_ports(connection, peer_owner_of(request), soon());
  if (ports.empty()) return std::nullopt;
  return std::move(ports.front());
}

void compare_interface_row(Connection& connection, const OvsConfig& config, const Port& port, Clauses& clauses) {
  if (port.interfaces.empty()) {
    clauses.emplace_back("the port has no interface");
    return;
  }
  const Uuid& row = port.interfaces.front();
  compare_row(connection, "Interface", row, config.interface_columns(port.name), clauses);
  const auto interface = find_interface(connection, row, soon());
  if (!interface) return;
  if (!interface->error.empty()) {
    clauses.push_back("ovs-vswitchd reports: " + interface->error);
  } else if (interface->ofport.value_or(0) <= 0) {
    // -1 is what ovs-vswitchd writes for a port it could not make. Source: ovs-vswitchd.conf.db(5), column ofport.
    clauses.emplace_back("ovs-vswitchd has not taken it");
  } else if (config.ofport_request && interface->ofport != config.ofport_request) {
    clauses.push_back(fmt::format("its OpenFlow port is {}, expected {}", *interface->ofport, *config.ofport_request));
  }
}

std::map<std::int64_t, Uuid> queues_of(Connection& connection, const Uuid& qos) {
  ovsdb::Transaction transaction;
  const auto selected = transaction.select("QoS", ovsdb::row_is(qos), {"queues"});
  const auto outcome = transact(connection, transaction, soon(), "reading table QoS");
  std::map<std::int64_t, Uuid> queues;
  for (const Row& row : outcome.rows(selected)) {
    if (!row.at("queues").is_map()) continue;
    for (const auto& [number, queue] : row.at("queues").pairs())
      queues.emplace(std::get<std::int64_t>(number), std::get<Uuid>(queue));
  }
  return queues;
}

void compare_qos(Connection& connection, const Qos& expected, const Port& port, Clauses& clauses) {
  // A QoS that the configuration does not ask for is an administrator's, who may set one on any port.
  if (!expected.shaping) return;
  if (!port.qos) {
    clauses.emplace_back("Port.qos is not set");
    return;
  }
  compare_row(connection, "QoS", *port.qos, expected.shaping->qos, clauses);
  const auto queues = queues_of(connection, *port.qos);
  for (const auto& [number, row] : expected.shaping->queues) {
    const auto queue = queues.find(number);
    if (queue == queues.end())
      clauses.push_back(fmt::format("queue {} is missing", number));
    else
      compare_row(connection, "Queue", queue->second, row, clauses);
  }
}

/// Returns the bridge that the port is on.
std::optional<Bridge> compare_database(const cni::Request& request, OvsConfig& config, Clauses& clauses) {
  Connection connection = Connection::open(config.endpoint, soon());
  const auto port = find_own_port(connection, request);
  if (!port) {
    clauses.push_back(fmt::format("it has no port in the database at {}", config.endpoint.text()));
    return std::nullopt;
  }
  const auto bridge = find_bridge_of_port(connection, port->name, soon());
  // Another name may be that of a VLAN of the bridge.
  if (bridge && !config.bridge.empty() && bridge->name != config.bridge) bridge_for(connection, config);
  if (!bridge || (!config.bridge.empty() && bridge->name != config.bridge))
    clauses.push_back(fmt::format("port {} is on bridge {}, expected {}", port->name,
                                  bridge ? bridge->name : std::string("none"), config.bridge));
  compare_row(connection, "Port", port->row, config.port_columns(), clauses);
  compare_interface_row(connection, config, *port, clauses);
  compare_qos(connection, config.qos, *port, clauses);
  // By the bridge's real name, which a tunnel's own name is made from.
  Clauses tunnels = compare_tunnels(connection, bridge ? bridge->name : config.bridge, config.tunnels);
  std::move(tunnels.begin(), tunnels.end(), std::back_inserter(clauses));
  return bridge;
}

void compare_link(const kernel::Link& link, const cni::Interface& expected, Clauses& clauses) {
  const auto mac = MacAddress::parse(expected.mac);
  if (mac && link.mac != mac)
    clauses.push_back(fmt::format("the MAC of {} is {}, expected {}", link.name, link.hardware_address, expected.mac));
  if (expected.mtu != 0 && link.mtu != expected.mtu)
    clauses.push_back(fmt::format("the MTU of {} is {}, expected {}", link.name, link.mtu, expected.mtu));
  if (!link.is_up()) clauses.push_back(fmt::format("{} is down", link.name));
}

void compare_host(const cni::Result& previous, const OvsConfig& config, Clauses& clauses) {
  kernel::NlSocket host;
  for (const cni::Interface& expected : previous.interfaces) {
    if (!expected.sandbox.empty()) continue;
    const auto link = kernel::find_link(host, expected.name);
    if (!link) {
      clauses.push_back(fmt::format("{} is missing on the node", expected.name));
      continue;
    }
    // The MTU is compared where the configuration names one; ovs-vswitchd may lower that of its ports otherwise.
    cni::Interface alike;  // the switch may give it another address
    alike.mtu = config.mtu.value_or(0);
    compare_link(*link, alike, clauses);
  }
}

/// A later plugin may have changed the MTU; results tell it from version 1.1.0 on. One not asked for is not compared.
cni::Interface expected_in_pod(const cni::Request& request, const Node& node, cni::Interface told,
                               const OvsConfig& config) {
  if (!config.mtu) {
    told.mtu = 0;
  } else if (told.mtu == 0) {
    const state::AttachmentId id = state::attachment_id(request, kPlugin);
    told.mtu = cni::is_tuned_later(state::Store(node.run_dir), id, "mtu") ? 0 : *config.mtu;
  }
  return told;
}

void compare_pod(const cni::Request& request, const Node& node, const OvsConfig& config, Clauses& clauses) {
  const cni::Result& previous = *request.conf.previous;
  const int position = cni::find_position(previous, request.ifname);
  kernel::NlSocket& inside = request.pod_socket();
  const auto link = kernel::find_link(inside, request.ifname);
  if (!link) {
    clauses.push_back(fmt::format("{} is missing in {}", request.ifname, request.netns));
    return;
  }
  const cni::Interface& told = previous.interfaces.at(static_cast<std::size_t>(position));
  if (!cni::is_bonded(inside, *link)) compare_link(*link, expected_in_pod(request, node, told, config), clauses);
  Clauses addresses = cni::compare_interface(inside, *link, previous, position);
  std::move(addresses.begin(), addresses.end(), std::back_inserter(clauses));
}

void compare_pod_rate(const cni::Request& request, const kernel::TokenBucket& rate, Clauses& clauses) {
  kernel::NlSocket& inside = request.pod_socket();
  const auto link = kernel::find_link(inside, request.ifname);
  auto clause = link ? kernel::explain_rate(inside, link->index, link->name, rate) : std::nullopt;
  if (clause) clauses.push_back(*std::move(clause));
}

/// The pod's program makes and removes its own socket as it likes; one of the switch must be there.
void compare_socket(const cni::Result& previous, const VhostUser& vhost, Clauses& clauses) {
  for (const cni::Interface& interface : previous.interfaces) {
    if (vhost.pod_listens || interface.socket_path.empty() || ::access(interface.socket_path.c_str(), F_OK) == 0)
      continue;
    clauses.push_back(fmt::format("socket {} is missing", interface.socket_path));
  }
}

/// The configuration as ADD made it fit the device; one that names no device, or has no record, is as it stands.
std::optional<OffloadRecord> apply_record(const cni::Request& request,
                                          const std::optional<state::Attachment>& attachment, OvsConfig& config) {
  if (!attachment) return std::nullopt;
  const OvsRecord record = parse_record(*attachment);
  if (!record.offload) return std::nullopt;
  if (config.bridge.empty()) config.bridge = record.bridge;
  // ADD found out from the bridge that DPDK drives the representor; the configuration does not tell.
  if (!record.offload->devargs.empty()) config.use_dpdk(request, record.offload->devargs);
  return record.offload;
}

void compare_offload(const cni::Request& request, const Node& node, const OffloadRecord& record,
                     const OvsConfig& config, Clauses& clauses) {
  if (record.vf.netdev) compare_pod(request, node, config, clauses);
  // A port of DPDK's has no netdev: the representor beside it carries nothing.
  if (config.devargs.empty()) compare_host(*request.conf.previous, config, clauses);
}

}  // namespace

void check_attachment(const cni::Request& request, const std::optional<state::Attachment>& attachment,
                      std::string_view plugin, const Node& node) {
  if (!request.conf.previous)
    throw Error(Error::Code::config, "config key \"prevResult\" is missing",
                "CHECK gets the result of ADD as prevResult");
  OvsConfig config = OvsConfig::parse(request, plugin);
  const auto offload = apply_record(request, attachment, config);
  Clauses clauses;
  const auto bridge = compare_database(request, config, clauses);
  if (config.vhost) {
    compare_socket(*request.conf.previous, *config.vhost, clauses);
  } else if (offload) {
    compare_offload(request, node, *offload, config, clauses);
  } else {
    compare_pod(request, node, config, clauses);
    compare_host(*request.conf.previous, config, clauses);
    const auto rate = bridge ? config.pod_rate(bridge->datapath_type) : std::nullopt;
    if (rate) compare_pod_rate(request, *rate, clauses);
  }
  if (!clauses.empty())
    throw Error(Error::Code::drift, fmt::format("{}: {}", request.ifname, fmt::join(clauses, "; ")),
                "DEL and ADD make it as configured");
}

}  // namespace barewire::ovs
