// SPDX-License-Identifier: Apache-2.0
/// Bridges in the Open vSwitch database: finding them, and knowing when ovs-vswitchd has done what the database says.
/// port.h and mirror.h build on it. Every call is one question or one transaction over a Connection, throws as
/// Connection::call, and waits until its deadline at most. Source: ovs-vswitchd.conf.db(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ovs-plugin/ovsdb/connection.h"
#include "ovs-plugin/ovsdb/transaction.h"

namespace barewire::ovs {

using ovsdb::Connection;
using ovsdb::Deadline;
using ovsdb::Row;
using ovsdb::StringMap;
using ovsdb::Uuid;

/// A row of table Bridge, without its ports: they may be thousands.
struct Bridge {
  Uuid row;
  std::string name;
  std::string datapath_type;  ///< "" or "system": kernel; "netdev": userspace
};

std::optional<Bridge> find_bridge(Connection& connection, const std::string& name, Deadline deadline);
/// The bridge with a port of that name on it, e.g. the uplink of a VF.
std::optional<Bridge> find_bridge_of_port(Connection& connection, const std::string& port_name, Deadline deadline);
std::vector<Bridge> list_bridges(Connection& connection, Deadline deadline);

/// Whether an ovs-vswitchd serves this database: it holds the lock of its name as long as it is connected.
/// Source: ovs-vswitchd's lock "ovs_vswitchd", vswitchd/bridge.c bridge_init.
bool switch_is_running(Connection& connection, Deadline deadline);

/// A change of the configuration: `Open_vSwitch.next_cfg` counts them, and ovs-vswitchd copies the number to `cur_cfg`
/// when it has carried it out. Source: ovs-vswitchd.conf.db(5), "Configuring Open vSwitch".
struct Change {
  Uuid root;                ///< the row of table Open_vSwitch
  std::int64_t number = 0;  ///< next_cfg after it
};
/// Adds the operations that count a change to `transaction`; `change_of` reads them from its outcome.
ovsdb::Transaction::Select count_change(ovsdb::Transaction& transaction);
Change change_of(const ovsdb::Outcome& outcome, ovsdb::Transaction::Select counted);

/// Throws Error{try_again} when ovs-vswitchd has not carried `change` out by `deadline`: it is down or hung.
void wait_until_carried_out(Connection& connection, const Change& change, Deadline deadline);
[[noreturn]] void throw_not_carried_out(const Connection& connection, const Change& change, std::int64_t carried_out,
                                        std::string_view doing);

}  // namespace barewire::ovs
