// SPDX-License-Identifier: Apache-2.0
#include "ovs-plugin/ready.h"

#include "core/cni/fallback.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

[[noreturn]] void throw_not_available(cni::Lack lack, const Error& error) {
  throw cni::LackError(lack, Error(Error::Code::not_available, error.what(), error.hint()));
}

void require_running(const ovsdb::Endpoint& endpoint, const std::string& bridge) {
  Connection connection = Connection::open(endpoint, soon());
  require_bridge(connection, bridge);
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

void require_switch(const ovsdb::Endpoint& endpoint, const std::string& bridge) {
  try {
    require_running(endpoint, bridge);
  } catch (const cni::LackError& lack) {
    throw_not_available(lack.lack(), lack);
  } catch (const Error& error) {
    throw_not_available(cni::Lack::vswitch, error);
  }
}

}  // namespace barewire::ovs
