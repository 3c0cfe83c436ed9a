// SPDX-License-Identifier: Apache-2.0
/// Whose a port is, written into its external_ids so that it outlives records and reboots; and the marks of the peer.
/// attach.cc writes them, undo.cc and check.cc look for them. Nothing here asks the database.
#pragma once

#include <optional>
#include <string_view>

#include "core/cni/request.h"
#include "core/state/attachment.h"
#include "ovs-plugin/ovsdb/values.h"

namespace barewire::ovs {

/// True for the keys below, which a configuration may not set.
bool is_owner_key(std::string_view key);

/// Every port of ours.
ovsdb::StringMap our_mark();
/// Every port of a network.
ovsdb::StringMap network_mark(const std::string& network);
/// The port of one attachment: what finds it.
ovsdb::StringMap owner_of(const state::AttachmentId& id);
/// All that is written: the owner, and what an administrator wants to know.
ovsdb::StringMap external_ids_of(const state::Attachment& attachment);
/// Whose a port with these external_ids is, as far as they tell; the plugin is "ovs" for ours, "ovs-cni" for the
/// peer's. nullopt: nobody's of the two.
std::optional<state::Attachment> attachment_of(const ovsdb::StringMap& external_ids);
/// The port ovs-cni made for this attachment. Source: ovs-cni's documentation of Port.external_ids.
ovsdb::StringMap peer_owner_of(const cni::Request& request);
/// Whether they name another pod than the request does: a netns path may be that of a new pod by now.
bool is_of_another_pod(const ovsdb::StringMap& external_ids, const cni::Request& request);
/// Whether a row with these external_ids was made by ovs-cni.
bool is_of_peer(const ovsdb::StringMap& external_ids);
/// Whether it was made by us.
bool is_of_us(const ovsdb::StringMap& external_ids);
/// Made by ovs-cni for a pod whose netns is gone.
bool is_of_dead_peer(const ovsdb::StringMap& external_ids);

inline constexpr const char* kBootKey = "bootID";
inline constexpr const char* kContainerKey = "containerID";
inline constexpr const char* kInterfaceKey = "contIface";

}  // namespace barewire::ovs
