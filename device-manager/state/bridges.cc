// SPDX-License-Identifier: Apache-2.0
// Planned again before each change: others write to the same database.
#include "device-manager/state/bridges.h"

#include "core/kernel/address.h"
#include "ovs-plugin/bridge.h"
#include "ovs-plugin/port.h"

namespace barewire::declared {
namespace {

using ovs::Connection;
using ovsdb::NamedUuid;
using ovsdb::Row;
using ovsdb::Transaction;

constexpr std::chrono::seconds kPatience{5};
constexpr const char* kOffload = "hw-offload";

ovsdb::Deadline soon() {
  return ovsdb::Clock::now() + kPatience;
}

/// "" is the kernel's too.
std::string datapath_of(const std::string& type) {
  return type.empty() ? "system" : type;
}

std::string offload_of(Connection& connection) {
  Transaction transaction;
  const auto selected = transaction.select("Open_vSwitch", {}, {"other_config"});
  const auto outcome = transact(connection, transaction, soon(), "reading the configuration of Open vSwitch");
  if (outcome.rows(selected).empty()) return "false";
  const auto config = outcome.rows(selected).front().string_map("other_config");
  const auto found = config.find(kOffload);
  return found == config.end() ? "false" : found->second;
}

class BridgePlanner {
 public:
  BridgePlanner(Connection& connection, const OvsBridge& bridge) : connection_(connection), bridge_(bridge) {
    plan_.bridge = &bridge;
  }

  BridgePlan run() {
    plan_bridge();
    plan_uplink();
    if (bridge_.hw_offload) plan_offload(*bridge_.hw_offload ? "true" : "false");
    return std::move(plan_);
  }

 private:
  void change(const std::string& what, std::string now, std::string wanted) {
    plan_.changes.push_back({bridge_.name + " " + what, std::move(now), std::move(wanted)});
  }

  void plan_bridge() {
    const auto found = ovs::find_bridge(connection_, bridge_.name, soon());
    const std::string wanted = datapath_of(bridge_.datapath);
    if (!found) return change("bridge", "none", "datapath " + wanted);
    const std::string now = datapath_of(found->datapath_type);
    if (bridge_.datapath.empty() || now == wanted) return;
    change("datapath", now, wanted);
    // Another datapath is another switch: every port is taken down and made anew, those of pods too.
    plan_.refusals.push_back(
        fmt::format("bridge {} is there with datapath {}, and its ports with it", bridge_.name, now));
  }

  void plan_uplink() {
    if (bridge_.uplink.empty()) return;
    const auto holder = ovs::find_bridge_of_port(connection_, bridge_.uplink, soon());
    if (holder && holder->name == bridge_.name) return;
    change("uplink", holder ? "on " + holder->name : "none", bridge_.uplink);
    if (holder)
      plan_.refusals.push_back(fmt::format("{} is a port of bridge {} already", bridge_.uplink, holder->name));
    else
      require_unused_uplink();
  }

  /// What comes in by a port goes to the bridge alone: the host would lose its address there.
  void require_unused_uplink() {
    kernel::NlSocket socket;
    const auto refuse = [&](const std::string& why) { plan_.refusals.push_back(why); };
    const auto link = kernel::find_link(socket, bridge_.uplink);
    if (!link) return refuse(fmt::format("there is no netdev {}", bridge_.uplink));
    if (link->master != 0) return refuse(fmt::format("{} is a part of another bridge or bond", link->name));
    for (const kernel::AddressInfo& address : kernel::list_addresses(socket, link->index))
      if (!address.prefix.address.is_link_local())
        return refuse(
            fmt::format("{} has address {}, which would not be reached any more", link->name, address.prefix.text()));
  }

  void plan_offload(const std::string& wanted) {
    const std::string now = offload_of(connection_);
    if (now != wanted) plan_.changes.push_back({"Open vSwitch hw-offload", now, wanted});
  }

  Connection& connection_;
  const OvsBridge& bridge_;
  BridgePlan plan_;
};

/// The bridge with its own port and interface, which have its name. Source: ovs-vsctl(8), add-br.
void insert_bridge(Transaction& transaction, const OvsBridge& bridge) {
  transaction.insert("Interface", Row{{"name", bridge.name}, {"type", "internal"}}, "new_interface");
  transaction.insert("Port", Row{{"name", bridge.name}, {"interfaces", NamedUuid{"new_interface"}}}, "new_port");
  transaction.insert("Bridge",
                     Row{{"name", bridge.name},
                         {"datapath_type", bridge.datapath == "system" ? "" : bridge.datapath},
                         {"ports", NamedUuid{"new_port"}}},
                     "new_bridge");
  transaction.mutate("Open_vSwitch", {}, {{"bridges", "insert", NamedUuid{"new_bridge"}}});
}

void set_offload(Transaction& transaction, bool on) {
  const ovsdb::StringMap pair{{kOffload, on ? "true" : "false"}};
  // A map's insert leaves a key alone that is there. Source: RFC 7047, 5.1 <mutation>.
  transaction.mutate("Open_vSwitch", {},
                     {{"other_config", "delete", ovsdb::Value(ovsdb::Set{std::string(kOffload)})},
                      {"other_config", "insert", ovsdb::Value(pair)}});
}

void make_bridge(Connection& connection, const OvsBridge& bridge) {
  Transaction transaction;
  if (!ovs::find_bridge(connection, bridge.name, soon())) insert_bridge(transaction, bridge);
  if (bridge.hw_offload && offload_of(connection) != (*bridge.hw_offload ? "true" : "false"))
    set_offload(transaction, *bridge.hw_offload);
  if (transaction.size() == 0) return;
  const auto counted = ovs::count_change(transaction);
  const auto outcome = transact(connection, transaction, soon(), "making bridge " + bridge.name);
  if (ovs::switch_is_running(connection, soon()))
    ovs::wait_until_carried_out(connection, ovs::change_of(outcome, counted), soon());
}

void add_uplink(Connection& connection, const OvsBridge& bridge) {
  if (bridge.uplink.empty() || ovs::find_bridge_of_port(connection, bridge.uplink, soon())) return;
  const auto found = ovs::find_bridge(connection, bridge.name, soon());
  if (!found) throw Error(Error::Code::device, fmt::format("bridge {} went away while it was made", bridge.name));
  ovs::PortRequest request;
  request.bridge = *found;
  request.name = bridge.uplink;
  const auto port = ovs::add_port(connection, request, soon());
  if (ovs::switch_is_running(connection, soon())) ovs::wait_for_port(connection, port, soon());
}

}  // namespace

std::vector<BridgePlan> plan_bridges(const Declaration& declaration, const ovsdb::Endpoint& endpoint) {
  std::vector<BridgePlan> plans;
  if (declaration.bridges.empty()) return plans;
  Connection connection = Connection::open(endpoint, soon());
  for (const OvsBridge& bridge : declaration.bridges) plans.push_back(BridgePlanner(connection, bridge).run());
  return plans;
}

std::vector<BridgePlan> try_plan_bridges(const Declaration& declaration, const ovsdb::Endpoint& endpoint) {
  try {
    return plan_bridges(declaration, endpoint);
  } catch (const Error& error) {
    std::vector<BridgePlan> plans;
    for (const OvsBridge& bridge : declaration.bridges)
      plans.push_back({&bridge, {{bridge.name + " bridge", "not known", "as declared"}}, {error.what()}});
    return plans;
  }
}

bool apply_bridge(const OvsBridge& bridge, const ovsdb::Endpoint& endpoint) {
  Connection connection = Connection::open(endpoint, soon());
  const BridgePlan plan = BridgePlanner(connection, bridge).run();
  if (!plan.refusals.empty())
    throw Error(Error::Code::held, fmt::format("making bridge {} as declared at {}: {} is refused: {}", bridge.name,
                                               bridge.file, bridge.key, fmt::join(plan.refusals, "; ")));
  if (plan.changes.empty()) return false;
  make_bridge(connection, bridge);
  add_uplink(connection, bridge);
  return true;
}

}  // namespace barewire::declared
