// SPDX-License-Identifier: Apache-2.0
// STATUS is asked on a node without pods too: database, bridge and daemon are looked at, and nothing is made.
#include "ovs-plugin/ready.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/cni/fallback.h"
#include "ovs-plugin/fake_bridge.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

/// A runtime reads code 50 or 51 as "no pods here now". Source: CNI spec 1.1.0, "STATUS".
Error unavailable(const Error& error) {
  return Error(Error::Code::not_available, error.what(), error.hint());
}

void require_running(const ovsdb::Endpoint& endpoint, const std::string& name, std::string_view dpdk_ports) {
  Connection connection = Connection::open(endpoint, soon());
  if (!name.empty()) {
    const Bridge bridge = require_bridge_or_parent(connection, name);
    // The database takes a port of DPDK's on any bridge; only a userspace one, of a switch with DPDK, makes it.
    if (!dpdk_ports.empty()) require_dpdk(connection, bridge, dpdk_ports);
  }
  // The database answers without the daemon; then an ADD would wait for a port that nobody makes.
  if (switch_is_running(connection, soon())) return;
  throw Error(Error::Code::try_again, fmt::format("no ovs-vswitchd serves the database at {}", endpoint.text()),
              "`systemctl status openvswitch-switch` tells why");
}

}  // namespace

Bridge require_bridge(Connection& connection, const std::string& name) {
  if (auto bridge = find_bridge(connection, name, soon())) return *std::move(bridge);
  throw cni::LackError(
      cni::Lack::bridge,
      Error(
          Error::Code::device,
          fmt::format("failed to find bridge {}: it is not in the database at {}", name, connection.endpoint().text()),
          fmt::format("`ovs-vsctl list-br` lists what is there; `ovs-vsctl add-br {}` makes it", name)));
}

void require_userspace(const Bridge& bridge, std::string_view ports) {
  if (bridge.datapath_type == "netdev") return;
  throw Error(
      Error::Code::device,
      fmt::format("bridge {} has the kernel's datapath: {} need the userspace one", bridge.name, ports),
      fmt::format("`ovs-vsctl set bridge {} datapath_type=netdev` changes it, and interrupts its pods", bridge.name));
}

void require_dpdk(Connection& connection, const Bridge& bridge, std::string_view ports) {
  require_userspace(bridge, ports);
  ovsdb::Transaction transaction;
  const auto selected = transaction.select("Open_vSwitch", {}, {"dpdk_initialized"});
  const auto outcome = transact(connection, transaction, soon(), "asking whether the switch has DPDK");
  const auto& rows = outcome.rows(selected);
  if (!rows.empty() && rows.front().get<bool>("dpdk_initialized")) return;
  throw Error(Error::Code::device,
              fmt::format("ovs-vswitchd at {} runs without DPDK: {} need it", connection.endpoint().text(), ports),
              "it takes a build with DPDK, `ovs-vsctl set Open_vSwitch . other_config:dpdk-init=true` and a restart");
}

void require_interface_type(Connection& connection, const std::string& type) {
  ovsdb::Transaction transaction;
  const auto selected = transaction.select("Open_vSwitch", {}, {"iface_types"});
  const auto outcome = transact(connection, transaction, soon(), "asking which interfaces the switch knows");
  const auto& rows = outcome.rows(selected);
  const auto types = rows.empty() ? std::vector<std::string>() : rows.front().all<std::string>("iface_types");
  if (std::find(types.begin(), types.end(), type) != types.end()) return;
  throw Error(
      Error::Code::device,
      fmt::format("ovs-vswitchd at {} was built without interfaces of type {}", connection.endpoint().text(), type),
      fmt::format("it knows {}", fmt::join(types, ", ")));
}

void answering_status(const std::function<void()>& step) {
  try {
    cni::lacking(cni::Lack::vswitch, Error::Code::try_again, step);
  } catch (const cni::LackError& lack) {
    throw cni::LackError(lack.lack(), unavailable(lack));
  } catch (const Error& error) {
    throw unavailable(error);
  }
}

void require_switch(const ovsdb::Endpoint& endpoint, const std::string& bridge, std::string_view dpdk_ports) {
  answering_status([&] { require_running(endpoint, bridge, dpdk_ports); });
}

}  // namespace barewire::ovs
