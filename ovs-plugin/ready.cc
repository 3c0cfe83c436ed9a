// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ready.h"

#include "core/cni/fallback.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

[[noreturn]] void throw_not_available(cni::Lack lack, const Error& error) {
  throw cni::LackError(lack, Error(Error::Code::not_available, error.what(), error.hint()));
}

void require_running(const ovsdb::Endpoint& endpoint, const std::string& name, bool by_dpdk) {
  Connection connection = Connection::open(endpoint, soon());
  const Bridge bridge = require_bridge(connection, name);
  if (by_dpdk) require_dpdk(connection, bridge);
  if (switch_is_running(connection, soon())) return;
  throw Error(Error::Code::not_available, fmt::format("no ovs-vswitchd serves the database at {}", endpoint.text()),
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

void require_dpdk(Connection& connection, const Bridge& bridge) {
  if (bridge.datapath_type != "netdev")
    throw Error(
        Error::Code::device,
        fmt::format("bridge {} has the kernel's datapath: vhost-user ports need the userspace one", bridge.name),
        fmt::format("`ovs-vsctl set bridge {} datapath_type=netdev` changes it, and interrupts its pods", bridge.name));
  ovsdb::Transaction transaction;
  const auto selected = transaction.select("Open_vSwitch", {}, {"dpdk_initialized"});
  const auto outcome = transact(connection, transaction, soon(), "asking whether the switch has DPDK");
  const auto& rows = outcome.rows(selected);
  if (!rows.empty() && rows.front().get<bool>("dpdk_initialized")) return;
  throw Error(
      Error::Code::device,
      fmt::format("ovs-vswitchd at {} runs without DPDK: vhost-user ports need it", connection.endpoint().text()),
      "it takes a build with DPDK, `ovs-vsctl set Open_vSwitch . other_config:dpdk-init=true` and a restart");
}

void require_switch(const ovsdb::Endpoint& endpoint, const std::string& bridge, bool by_dpdk) {
  try {
    require_running(endpoint, bridge, by_dpdk);
  } catch (const cni::LackError& lack) {
    throw_not_available(lack.lack(), lack);
  } catch (const Error& error) {
    throw_not_available(cni::Lack::vswitch, error);
  }
}

}  // namespace barewire::ovs
