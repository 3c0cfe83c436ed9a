// SPDX-License-Identifier: Apache-2.0
// A "fake bridge" is a VLAN of a real one under a name of its own, which ovs-vsctl makes: the row of its port has
// fake_bridge set, and pods go onto the real bridge with that VLAN. Source: ovs-vsctl(8), "add-br bridge parent vlan".
#include "ovs-plugin/fake_bridge.h"

#include "ovs-plugin/ready.h"
#include "ovs-plugin/undo.h"

namespace barewire::ovs {

namespace {

void apply(const FakeBridge& fake, OvsConfig& config) {
  Vlan& vlan = config.vlan;
  if ((vlan.tag && *vlan.tag != fake.tag) || !vlan.trunks.empty())
    throw Error(Error::Code::config,
                fmt::format("config key \"bridge\" is \"{}\", which is VLAN {} of bridge {}; expected no other VLANs",
                            config.bridge, fake.tag, fake.parent.name),
                fmt::format("name the bridge {} to have VLANs of your own, or leave out \"vlan\" and \"trunk\"",
                            fake.parent.name));
  vlan.tag = fake.tag;
  vlan.mode = "access";
  config.bridge = fake.parent.name;
}

}  // namespace

std::optional<FakeBridge> find_fake_bridge(Connection& connection, const std::string& name, Deadline deadline) {
  ovsdb::Transaction transaction;
  const auto selected = transaction.select("Port", {{"name", "==", name}, {"fake_bridge", "==", true}}, {"tag"});
  const auto outcome = transact(connection, transaction, deadline, fmt::format("looking for fake bridge {}", name));
  if (outcome.rows(selected).empty()) return std::nullopt;
  const auto tags = outcome.rows(selected).front().all<std::int64_t>("tag");
  // ovs-vsctl makes a port of the fake bridge's name on the real one.
  auto parent = find_bridge_of_port(connection, name, deadline);
  if (!parent || tags.empty()) return std::nullopt;
  return FakeBridge{*std::move(parent), tags.front()};
}

Bridge require_bridge_or_parent(Connection& connection, const std::string& name) {
  if (auto bridge = find_bridge(connection, name, soon())) return *std::move(bridge);
  if (auto fake = find_fake_bridge(connection, name, soon())) return std::move(fake->parent);
  return require_bridge(connection, name);
}

Bridge bridge_for(Connection& connection, OvsConfig& config) {
  // The real one first: most configurations name one, and then one question is enough.
  if (auto bridge = find_bridge(connection, config.bridge, soon())) return *std::move(bridge);
  if (auto fake = find_fake_bridge(connection, config.bridge, soon())) {
    apply(*fake, config);
    return fake->parent;
  }
  return require_bridge(connection, config.bridge);
}

}  // namespace barewire::ovs
