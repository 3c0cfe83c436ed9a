// SPDX-License-Identifier: Apache-2.0
// The tables are read whole here, and only here: an administrator asks rarely and wants all, plugins ask often for one
// row.
#include "device-manager/switch_snapshot.h"

#include <algorithm>

#include "core/cni/life.h"
#include "core/kernel/link.h"
#include "ovs-plugin/bridge.h"
#include "ovs-plugin/owner.h"

namespace barewire::manager {

namespace {

using ovsdb::Row;
using ovsdb::Transaction;
using ovsdb::Uuid;

/// The tables of the database, rows by their names: one transaction, so that they fit together.
class Tables {
 public:
  Tables(ovsdb::Connection& connection, ovsdb::Deadline deadline) {
    Transaction transaction;
    const auto root = transaction.select("Open_vSwitch", {}, {"ovs_version", "other_config", "dpdk_initialized"});
    const auto bridges = transaction.select("Bridge", {}, {"_uuid", "name", "datapath_type", "ports", "mirrors"});
    const auto ports = transaction.select(
        "Port", {}, {"_uuid", "name", "interfaces", "tag", "trunks", "vlan_mode", "protected", "external_ids"});
    const auto interfaces = transaction.select(
        "Interface", {},
        {"_uuid", "name", "type", "ofport", "error", "link_state", "mac_in_use", "mtu", "options", "statistics"});
    const auto mirrors = transaction.select(
        "Mirror", {}, {"_uuid", "name", "output_port", "select_all", "select_src_port", "select_dst_port"});
    // Rows that refer to each other must be of one moment: a port may go while its bridge is read.
    const auto outcome = ovsdb::transact(connection, transaction, deadline, "reading the switch's configuration");
    if (!outcome.rows(root).empty()) root_ = outcome.rows(root).front();
    bridges_ = outcome.rows(bridges);
    index(outcome.rows(ports), ports_);
    index(outcome.rows(interfaces), interfaces_);
    index(outcome.rows(mirrors), mirrors_);
  }

  using ByUuid = std::map<Uuid, Row>;
  const Row& root() const { return root_; }
  const std::vector<Row>& bridges() const { return bridges_; }
  const Row* port(const Uuid& uuid) const { return find(ports_, uuid); }
  const Row* interface(const Uuid& uuid) const { return find(interfaces_, uuid); }
  const Row* mirror(const Uuid& uuid) const { return find(mirrors_, uuid); }

  std::vector<std::string> port_names(const std::vector<Uuid>& uuids) const {
    std::vector<std::string> names;
    for (const Uuid& uuid : uuids)
      if (const Row* row = port(uuid)) names.push_back(row->get<std::string>("name"));
    // A set of the database has no order that could be relied on.
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  static void index(const std::vector<Row>& rows, ByUuid& into) {
    for (const Row& row : rows) into.emplace(row.get<Uuid>("_uuid"), row);
  }
  static const Row* find(const ByUuid& rows, const Uuid& uuid) {
    const auto found = rows.find(uuid);
    return found == rows.end() ? nullptr : &found->second;
  }

  Row root_;
  std::vector<Row> bridges_;
  ByUuid ports_, interfaces_, mirrors_;
};

/// A port tells the path of its pod's netns alone; what is on record knows which netns it was.
Look is_of_dead_pod(const state::Attachment& owner) {
  try {
    return is_dead(state::Store(Node().run_dir).find(owner.id).value_or(owner));
  } catch (const Error& error) {
    return Look::unknown(error.what());
  }
}

PortState state_of(const PortEntry& port, const std::string& link_state) {
  // First: a dead pod's port may well be "up".
  if (port.owner && is_of_dead_pod(*port.owner).is_yes()) return PortState::stale;
  if (!port.error.empty()) return PortState::failed;
  // Empty: ovs-vswitchd has not tried. -1 comes with an error. Source: ovs-vswitchd.conf.db(5), Interface.ofport.
  if (port.ofport.value_or(0) <= 0) return PortState::pending;
  return link_state == "up" ? PortState::up : PortState::down;
}

void add_statistics(const Row& row, PortStatistics& statistics) {
  struct Counter {
    const char* key;
    std::optional<std::uint64_t> PortStatistics::*member;
  };
  constexpr Counter kCounters[] = {
      {"rx_bytes", &PortStatistics::rx_bytes},     {"tx_bytes", &PortStatistics::tx_bytes},
      {"rx_packets", &PortStatistics::rx_packets}, {"tx_packets", &PortStatistics::tx_packets},
      {"rx_dropped", &PortStatistics::rx_dropped}, {"tx_dropped", &PortStatistics::tx_dropped},
      {"rx_errors", &PortStatistics::rx_errors},   {"tx_errors", &PortStatistics::tx_errors}};
  const ovsdb::Value& column = row.at("statistics");
  if (!column.is_map()) return;  // an empty one
  for (const Counter& counter : kCounters) {
    const auto found = column.pairs().find(ovsdb::Atom(std::string(counter.key)));
    if (found == column.pairs().end()) continue;
    const auto* value = std::get_if<std::int64_t>(&found->second);
    if (value == nullptr || *value < 0) continue;
    auto& sum = statistics.*counter.member;
    sum = sum.value_or(0) + static_cast<std::uint64_t>(*value);
  }
}

/// Returns the link's state.
std::string read_interfaces(const Tables& tables, const std::vector<Uuid>& uuids, PortEntry& port) {
  std::string link_state;
  for (const Uuid& uuid : uuids) {
    const Row* row = tables.interface(uuid);
    if (row == nullptr) continue;
    port.interfaces.push_back(row->get<std::string>("name"));
    add_statistics(*row, port.statistics);
    // Of a bond the first stands for all: they have one purpose, and the table one row.
    if (port.interfaces.size() > 1) continue;
    port.type = row->get<std::string>("type");
    port.ofport = row->find<std::int64_t>("ofport");
    port.error = row->find<std::string>("error").value_or("");
    port.mac = row->find<std::string>("mac_in_use").value_or("");
    port.mtu = row->find<std::int64_t>("mtu");
    port.options = row->string_map("options");
    link_state = row->find<std::string>("link_state").value_or("");
  }
  return link_state;
}

PortEntry read_port(const Tables& tables, const Row& row) {
  PortEntry port;
  port.name = row.get<std::string>("name");
  port.vlan_mode = row.find<std::string>("vlan_mode").value_or("");
  port.tag = row.find<std::int64_t>("tag");
  port.trunks = row.all<std::int64_t>("trunks");
  port.isolated = row.get<bool>("protected");
  port.owner = ovs::attachment_of(row.string_map("external_ids"));
  const std::string link_state = read_interfaces(tables, row.all<Uuid>("interfaces"), port);
  port.state = state_of(port, link_state);
  return port;
}

MirrorEntry read_mirror(const Tables& tables, const Row& row) {
  MirrorEntry mirror;
  mirror.name = row.get<std::string>("name");
  const auto output = tables.port_names(row.all<Uuid>("output_port"));
  if (!output.empty()) mirror.output = output.front();
  mirror.all = row.get<bool>("select_all");
  mirror.sources = tables.port_names(row.all<Uuid>("select_src_port"));
  mirror.destinations = tables.port_names(row.all<Uuid>("select_dst_port"));
  return mirror;
}

template <typename Entry>
void sort_by_name(std::vector<Entry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
}

BridgeEntry read_bridge(const Tables& tables, const Row& row) {
  BridgeEntry bridge;
  bridge.name = row.get<std::string>("name");
  bridge.datapath = row.get<std::string>("datapath_type");
  if (bridge.datapath.empty()) bridge.datapath = "system";
  for (const Uuid& uuid : row.all<Uuid>("ports"))
    if (const Row* port = tables.port(uuid)) bridge.ports.push_back(read_port(tables, *port));
  for (const Uuid& uuid : row.all<Uuid>("mirrors"))
    if (const Row* mirror = tables.mirror(uuid)) bridge.mirrors.push_back(read_mirror(tables, *mirror));
  sort_by_name(bridge.ports);
  sort_by_name(bridge.mirrors);
  return bridge;
}

void read_offload(kernel::NlSocket& socket, PortEntry& port) {
  const auto link = kernel::find_link(socket, port.name);
  if (!link) return;
  const PortOffload offload = read_port_offload(socket, *link);
  // A veth without flows is not what offload is about.
  if (offload.representor || offload.flows > 0) port.offload = offload;
}

bool is_in_kernel(const SwitchSnapshot& snapshot) {
  return std::any_of(snapshot.bridges.begin(), snapshot.bridges.end(),
                     [](const BridgeEntry& bridge) { return bridge.datapath == "system"; });
}

/// Filters of a port that is not named as its netdev (a tunnel's) are left out, since their netdev is not read.
std::optional<SwitchFlows> read_flows(const SwitchSnapshot& snapshot) {
  // Where the switch does not run there may be no datapath either, and asking would load the kernel's module.
  if (!snapshot.running || !is_in_kernel(snapshot)) return std::nullopt;
  SwitchFlows flows;
  try {
    flows.datapaths = kernel::list_ovs_datapaths();
  } catch (const Error&) {
    return std::nullopt;  // ports and their offload are told all the same
  }
  if (flows.datapaths.empty()) return std::nullopt;  // they are in another netns
  for (const kernel::OvsDatapath& datapath : flows.datapaths) flows.in_datapath += datapath.flows;
  for (const BridgeEntry& bridge : snapshot.bridges) {
    for (const PortEntry& port : bridge.ports) {
      if (!port.offload) continue;
      flows.in_hardware += port.offload->in_hardware;
      flows.in_tc += port.offload->flows - port.offload->in_hardware;
    }
  }
  return flows;
}

bool asks_for_owners(const Filter& filter) {
  return !filter.networks.empty() || !filter.pods.empty() || !filter.containers.empty();
}

}  // namespace

std::string_view text_of(PortState state) {
  switch (state) {
    case PortState::up:
      return "up";
    case PortState::down:
      return "down";
    case PortState::pending:
      return "pending";
    case PortState::failed:
      return "error";
    case PortState::stale:
      return "stale";
  }
  return "";
}

SwitchSnapshot take_switch_snapshot(const ovsdb::Endpoint& endpoint, std::chrono::milliseconds patience) {
  const auto deadline = ovsdb::Clock::now() + patience;
  ovsdb::Connection connection = ovsdb::Connection::open(endpoint, deadline);
  const Tables tables(connection, deadline);
  SwitchSnapshot snapshot;
  snapshot.database = endpoint.text();
  snapshot.running = ovs::switch_is_running(connection, deadline);
  // Without a row the database was never set up by ovs-vsctl init.
  if (tables.root().has("other_config")) {
    const auto config = tables.root().string_map("other_config");
    const auto offload = config.find("hw-offload");
    snapshot.hw_offload = offload != config.end() && offload->second == "true";
    snapshot.version = tables.root().find<std::string>("ovs_version").value_or("");
    snapshot.dpdk = tables.root().get<bool>("dpdk_initialized");
  }
  kernel::NlSocket socket;
  for (const Row& row : tables.bridges()) {
    BridgeEntry bridge = read_bridge(tables, row);
    // Elsewhere the switch puts no filters into the kernel.
    if (snapshot.hw_offload && bridge.datapath == "system")
      for (PortEntry& port : bridge.ports) read_offload(socket, port);
    snapshot.bridges.push_back(std::move(bridge));
  }
  sort_by_name(snapshot.bridges);
  snapshot.flows = read_flows(snapshot);
  return snapshot;
}

std::optional<unsigned> SwitchFlows::beside_tc() const {
  const std::uint64_t all = in_hardware + in_tc + in_datapath;
  if (all == 0) return std::nullopt;
  return static_cast<unsigned>((100 * in_datapath + all - 1) / all);
}

SwitchSnapshot apply(const Filter& filter, const std::vector<std::string>& bridges, SwitchSnapshot snapshot) {
  if (!bridges.empty())
    std::erase_if(snapshot.bridges, [&](const BridgeEntry& bridge) {
      return std::find(bridges.begin(), bridges.end(), bridge.name) == bridges.end();
    });
  if (!asks_for_owners(filter)) return snapshot;
  for (BridgeEntry& bridge : snapshot.bridges) {
    std::erase_if(bridge.ports, [&](const PortEntry& port) { return !port.owner || !filter.matches(*port.owner); });
    // A mirror goes with the port that gets its copies.
    std::erase_if(bridge.mirrors, [&](const MirrorEntry& mirror) {
      return std::none_of(bridge.ports.begin(), bridge.ports.end(),
                          [&](const PortEntry& port) { return port.name == mirror.output; });
    });
  }
  std::erase_if(snapshot.bridges, [](const BridgeEntry& bridge) { return bridge.ports.empty(); });
  return snapshot;
}

bool has_problem(const SwitchSnapshot& snapshot) {
  // Neither down nor pending: a pod may take its interface down, and every new port is pending for a moment.
  const auto is_bad = [](const PortEntry& port) {
    return port.state == PortState::failed || port.state == PortState::stale;
  };
  return !snapshot.running || std::any_of(snapshot.bridges.begin(), snapshot.bridges.end(), [&](const auto& bridge) {
    return std::any_of(bridge.ports.begin(), bridge.ports.end(), is_bad);
  });
}

}  // namespace barewire::manager
