// SPDX-License-Identifier: Apache-2.0
/// Open vSwitch as its database and the kernel show it at this moment: bridges, ports, whose they are, mirrors, and
/// what of a port's traffic is offloaded. `barewire ovs` shows it; switch_json.cc writes it as JSON. Reading it changes
/// nothing.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/ovs_datapath.h"
#include "core/state/attachment.h"
#include "device-manager/filter.h"
#include "device-manager/port_offload.h"
#include "ovs-plugin/ovsdb/endpoint.h"

namespace barewire::manager {

enum class PortState {
  up,
  down,     ///< taken by the switch, without a link
  pending,  ///< not taken yet
  failed,   ///< refused by the switch
  stale,    ///< of a pod that is gone
};
/// "up", "down", "pending", "error", "stale".
std::string_view text_of(PortState state);

/// What the switch counted of a port, as it sees it: "rx" came from the pod. Absent: it does not count that of such a
/// port. Source: ovs-vswitchd.conf.db(5), table Interface, column statistics, which it renews every five seconds.
struct PortStatistics {
  std::optional<std::uint64_t> rx_bytes{}, tx_bytes{}, rx_packets{}, tx_packets{}, rx_dropped{}, tx_dropped{},
      rx_errors{}, tx_errors{};
};

/// A port of a bridge; columns as in ovs-vswitchd.conf.db(5), tables Port and Interface.
struct PortEntry {
  std::string name;
  std::string type;  ///< of its first interface; empty: a netdev of the kernel
  std::optional<std::int64_t> ofport;
  std::string error;  ///< ovs-vswitchd's words
  std::string mac;    ///< in use
  std::optional<std::int64_t> mtu;
  std::string vlan_mode;  ///< empty: not set
  std::optional<std::int64_t> tag;
  std::vector<std::int64_t> trunks;            ///< empty: every VLAN
  bool isolated = false;                       ///< column protected
  std::map<std::string, std::string> options;  ///< of its first interface
  std::vector<std::string> interfaces;         ///< names; several: a bond of the switch's own
  std::optional<state::Attachment> owner;      ///< from its external_ids; plugin "ovs" or "ovs-cni"
  PortState state = PortState::pending;
  std::optional<PortOffload> offload;  ///< where the switch offloads at all
  PortStatistics statistics{};         ///< of a bond the sum
};

/// Ports by name. Source: ovs-vswitchd.conf.db(5), table Mirror.
struct MirrorEntry {
  std::string name;
  std::string output;                     ///< port
  bool all = false;                       ///< select_all: of every port
  std::vector<std::string> sources;       ///< ports whose received packets are copied
  std::vector<std::string> destinations;  ///< ports whose sent packets are copied
};

struct BridgeEntry {
  std::string name;
  std::string datapath;  ///< "system" (kernel) or "netdev" (userspace)
  std::vector<PortEntry> ports;
  std::vector<MirrorEntry> mirrors;
};

/// Where the flows of all bridges on the kernel's datapath are at this moment; each is in one of the three.
struct SwitchFlows {
  std::uint64_t in_hardware = 0;
  std::uint64_t in_tc = 0;        ///< in the traffic class layer, and not in hardware
  std::uint64_t in_datapath = 0;  ///< in the kernel's datapath: they never reached the traffic class layer
  std::vector<kernel::OvsDatapath> datapaths{};

  /// Of all flows those that never reached it, in percent, rounded up, so that 0 means none; nullopt without flows.
  std::optional<unsigned> beside_tc() const;
};

struct SwitchSnapshot {
  std::string database;
  bool running = false;  ///< an ovs-vswitchd obeys the database
  std::string version;   ///< ovs-vswitchd's
  bool hw_offload = false;
  bool dpdk = false;
  std::vector<BridgeEntry> bridges;
  std::optional<SwitchFlows> flows{};  ///< where a bridge is on the kernel's datapath, and that could be read
};

/// Somebody waits at a terminal; a database that takes longer is as good as down.
inline constexpr std::chrono::seconds kSwitchPatience{5};
/// Throws Error{try_again} when the database is down or silent for `patience`, Error{ovsdb} when it contradicts itself.
SwitchSnapshot take_switch_snapshot(const ovsdb::Endpoint& endpoint,
                                    std::chrono::milliseconds patience = kSwitchPatience);

/// `snapshot` with these bridges alone (none named: all) and what `filter` says of owners; a bridge goes with its last
/// port when owners are asked for.
SwitchSnapshot apply(const Filter& filter, const std::vector<std::string>& bridges, SwitchSnapshot snapshot);

/// Something an administrator must see to: no ovs-vswitchd, a port refused or stale.
bool has_problem(const SwitchSnapshot& snapshot);

/// The form that docs/admin.md describes; statistics, which change all the time, where they are asked for.
enum class WithStatistics { no, yes };
boost::json::object to_json(const SwitchSnapshot& snapshot, WithStatistics statistics = WithStatistics::no);
boost::json::value to_json(const std::optional<SwitchFlows>& flows);

}  // namespace barewire::manager
