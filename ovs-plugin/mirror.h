// SPDX-License-Identifier: Apache-2.0
/// Mirrors of an Open vSwitch bridge: a port joins one as a source or as the place copies go to, and leaves it again. A
/// mirror is made by the first port to join and deleted with the last. Works beside port.h.
/// Source: ovs-vswitchd.conf.db(5), table Mirror.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ovs-plugin/bridge.h"

namespace barewire::ovs {

struct Mirror {
  Uuid row;
  std::string name;
  std::vector<Uuid> select_src_port;  ///< packets arriving on these ports are copied
  std::vector<Uuid> select_dst_port;  ///< packets leaving through these ports are copied
  std::optional<Uuid> output_port;
  StringMap external_ids;
};

/// What a port is to a mirror; at least one is true.
struct MirrorRole {
  bool source = false;       ///< what the port sends into the bridge is copied
  bool destination = false;  ///< what the bridge sends out of the port is copied
  bool output = false;       ///< the copies go out of the port
};

struct MirrorRequest {
  Bridge bridge;
  std::string mirror;
  Uuid port;
  MirrorRole role;
  StringMap owner;  ///< external_ids of a mirror made by us; only such a mirror is deleted when it is empty
};

/// The mirror of that name on that bridge; other bridges may have one of the same name.
std::optional<Mirror> find_mirror(Connection& connection, const Bridge& bridge, const std::string& name,
                                  Deadline deadline);
/// Every mirror of that bridge.
std::vector<Mirror> find_mirrors(Connection& connection, const Bridge& bridge, Deadline deadline);

/// Throws Error{held} when the copies already go to another port, Error{ovsdb} when the database refuses,
/// Error{try_again} when it is down. Joining twice is the same as once.
Change join_mirror(Connection& connection, const MirrorRequest& request, Deadline deadline);

/// Takes the port out of the mirror in every role, and deletes a mirror of ours that is empty then; nullopt when there
/// was nothing to do. (A port that is deleted leaves its mirrors by itself, but the empty mirror stays.)
std::optional<Change> leave_mirror(Connection& connection, const MirrorRequest& request, Deadline deadline);

}  // namespace barewire::ovs
