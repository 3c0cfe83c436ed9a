// SPDX-License-Identifier: Apache-2.0
/// Taking an attachment off its bridge and down: what a failed ADD, DEL and GC of the ovs plugin all do. Works from the
/// record, from the owner written into the database, and from what the peer's plugin left.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/json_view.h"
#include "core/node.h"
#include "core/state/store.h"
#include "ovs-plugin/offload.h"
#include "ovs-plugin/ovsdb/connection.h"
#include "ovs-plugin/vhost_user.h"

namespace barewire::ovs {

inline constexpr const char* kPlugin = "ovs";
inline constexpr const char* kUserspacePlugin = "userspace";  ///< the same with the keys of userspace-cni

/// The database calls of one DEL, and each of an ADD, give up after this; ovs-vswitchd gets as long to carry a change
/// out.
inline constexpr std::chrono::seconds kPatience{10};
/// kPatience from now.
ovsdb::Deadline soon();

/// How records keep the database's address: members socket, privateKey, certificate, caCertificate.
boost::json::object to_json(const ovsdb::Endpoint& endpoint);
/// Throws Error naming the key.
ovsdb::Endpoint parse_endpoint_of(const JsonView& record);

/// What ADD keeps besides what every record has.
struct OvsRecord {
  ovsdb::Endpoint endpoint;
  std::string bridge;
  std::string host_interface;  ///< the port's name: the veth's end on the node, or the representor
  bool addressed = false;      ///< IPAM was asked
  std::optional<VhostRecord> vhost{};
  std::optional<OffloadRecord> offload{};  ///< a VF instead of the veth
};
boost::json::object to_json(const OvsRecord& record);
/// Throws Error{state} naming the key.
OvsRecord parse_record(const state::Attachment& attachment);

/// Deletes the port, the veth, the addresses, and then the record: each harmless when it never was. What failed keeps
/// the record, and is thrown when the rest is done: Error{try_again} when the database is down. `cni_path` finds IPAM.
void detach(const state::Store& store, const state::Attachment& attachment, const std::string& cni_path, Node& node);

/// DEL of what has no record: ports that carry the owner, those of the peer, and its cached configuration.
void detach_unrecorded(const cni::Request& request, Node& node);

/// Deletes ports of pods that are certain to be gone, whose names may be wanted again: ours that were made before the
/// last boot; ovs-cni's whose interface the switch cannot open. One question to the database where there are none.
void sweep_dead_ports(ovsdb::Connection& connection, ovsdb::Deadline deadline);

/// GC of ports in the database that have no record: those of the network which the runtime does not list.
void collect_ports(const cni::Request& request);

/// What others than `own` have on record of sockets. Throws as parse_record.
VhostOthers vhost_others(const state::Store& store, const state::AttachmentId& own);

}  // namespace barewire::ovs
