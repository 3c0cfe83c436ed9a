// SPDX-License-Identifier: Apache-2.0
/// Ports on an Open vSwitch bridge: adding one, waiting until ovs-vswitchd has it, finding those of an owner, deleting
/// one. Each is one transaction that reads and writes the rows of that port alone, whatever else the bridge holds.
/// Source: ovs-vswitchd.conf.db(5), tables Port, Interface, QoS and Queue.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ovs-plugin/bridge.h"

namespace barewire::ovs {

/// A row of table Port as found.
struct Port {
  Uuid row;
  std::string name;
  std::vector<Uuid> interfaces;
  StringMap external_ids;
  std::optional<std::int64_t> tag;
  std::vector<std::int64_t> trunks;
  std::string vlan_mode;  ///< "" when not set
  std::optional<Uuid> qos;
  bool protected_port = false;  ///< column `protected`: no traffic to other protected ports
};

/// Egress shaping of a port. Its rows get the port's external_ids, and go when delete_port takes the port.
struct QosRequest {
  Row qos;                             ///< columns type, other_config
  std::map<std::int64_t, Row> queues;  ///< by number: columns other_config, dscp
};

struct PortRequest {
  Bridge bridge;
  std::string name;  ///< of the port and of its interface
  Row port;          ///< further columns: external_ids, tag, trunks, vlan_mode, other_config, protected …
  Row interface;  ///< further columns: type, options, external_ids, ofport_request, mtu_request, ingress_policing_rate
                  ///< …
  std::optional<QosRequest> qos;
  std::optional<Port> replaces;  ///< a port with that name, owned and dead, that this one takes the place of
};

struct AddedPort {
  Uuid port;
  Uuid interface;
  std::string name;
  Change change;
};

/// Throws Error{held} when the name is taken by another port, Error{device} when the bridge is gone, Error{ovsdb} when
/// the database refuses a value, Error{try_again} when it is down. On the last it may have been added: find_ports
/// tells.
AddedPort add_port(Connection& connection, const PortRequest& request, Deadline deadline);

/// The OpenFlow port number, once ovs-vswitchd has added the port to its datapath. Throws Error{ovsdb} with the reason
/// in column `error` when it could not, Error{try_again} when it has not tried by `deadline`: it is down.
std::int64_t wait_for_port(Connection& connection, const AddedPort& port, Deadline deadline);

/// True once the switch sees a carrier on the port; false when it has not by `deadline`.
bool wait_for_link(Connection& connection, const AddedPort& port, Deadline deadline);

/// Ports whose external_ids hold all of `owner`, which must not be empty.
std::vector<Port> find_ports(Connection& connection, const StringMap& owner, Deadline deadline);
/// Ports that may be of pods that are gone; whether they are is for the caller to find out.
struct Suspects {
  std::vector<Port> of_earlier_boots;  ///< their external_ids hold all of `mark` and not `this_boot`
  std::vector<Port> failed;            ///< whoever's: the switch could not open their interface, and says so in `error`
};
/// One question where no interface has failed.
Suspects find_suspects(Connection& connection, const StringMap& mark, const StringMap& this_boot, Deadline deadline);
/// By name; of one database, since names are unique in it. nullopt when there is none.
std::optional<Port> find_port(Connection& connection, const std::string& name, Deadline deadline);

/// What ovs-vswitchd and the database say of an interface.
struct Interface {
  Uuid row;
  std::string name;
  std::string type;
  std::optional<std::int64_t> ofport;
  std::string error;
  std::string link_state;  ///< "up", "down", or "" when not known
  std::string mac_in_use;
  StringMap external_ids;
  StringMap options;
};
/// nullopt when the row is gone.
std::optional<Interface> find_interface(Connection& connection, const Uuid& row, Deadline deadline);

/// Deletes a port from whichever bridge holds it, its interfaces and QoS with it; nullopt when it was gone already.
/// Throws Error{held} when its external_ids are no longer those in `port`: it belongs to someone else now.
std::optional<Change> delete_port(Connection& connection, const Port& port, Deadline deadline);

}  // namespace barewire::ovs
