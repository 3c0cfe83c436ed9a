// SPDX-License-Identifier: Apache-2.0
// A gateway inside a VLAN of a filtering bridge needs a port of its own: a veth pair, which stays as the bridge does.
#include "standard-plugins/bridge/vlan_gateway.h"

#include <cerrno>

#include "core/kernel/veth.h"
#include "core/rollback.h"

namespace barewire::standard {

namespace {

void make_pair(kernel::NlSocket& host, const kernel::Link& bridge, const BridgeConfig& config,
               const std::string& name) {
  kernel::VethPair pair;
  pair.host.name = random_veth_name();
  pair.pod.name = name;
  pair.mtu = bridge.mtu;
  pair.master = bridge.index;
  // Its own undo: the pair is no pod's, so no record would take it away when a later step fails.
  Rollback rollback;
  rollback.add("VLAN gateway " + name, [&host, port_name = pair.host.name] {
    if (const auto port = kernel::find_link(host, port_name))
      kernel::delete_link(host, port->index, "removing " + port_name);
  });
  const kernel::Link port = kernel::create_veth(host, kernel::NetNs::current(), pair);
  if (!config.keeps_default_vlan()) remove_port_vlan(host, port, 1);
  add_port_vlans(host, port, {{config.vlan, true}});
  rollback.keep();
}

}  // namespace

std::string vlan_gateway_name(const std::string& bridge, std::uint16_t vlan) {
  return fmt::format("{}.{}", bridge, vlan);
}

kernel::Link ensure_vlan_gateway(kernel::NlSocket& host, const kernel::Link& bridge, const BridgeConfig& config) {
  const std::string name = vlan_gateway_name(config.bridge, config.vlan);
  // It stays when its last pod goes, as the bridge does: another pod may come at any moment.
  if (!kernel::find_link(host, name)) {
    try {
      make_pair(host, bridge, config, name);
    } catch (const kernel::KernelError& error) {
      if (error.err() != EEXIST) throw;  // another pod's ADD was faster
    }
  }
  const kernel::Link link = kernel::get_link(host, name);
  if (!link.is_up()) kernel::set_up(host, link);
  return link;
}

}  // namespace barewire::standard
