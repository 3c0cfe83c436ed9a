// SPDX-License-Identifier: Apache-2.0
/// What the reference plugins (containernetworking/plugins) made for a pod that Barewire is to take down: nodes change
/// suites under running pods. Found by the names the reference gives them, over netlink; the command is needed for the
/// older make of iptables alone. Used by the undo of pods without a record, by GC and by `barewire gc`.
/// Source: pkg/utils (chain names), pkg/ip (masquerading), pkg/link (spoof check) and plugins/meta there.
#pragma once

#include <string>
#include <vector>

#include "core/cni/request.h"
#include "core/state/attachment.h"

namespace barewire::standard {

/// Its chain CNI-…, or its rules in table cni_plugins_masquerade. Harmless when there is none, as all of these.
/// Throws KernelError, or Error{kernel} with what the command said.
void remove_reference_masquerade(const state::AttachmentId& id);
/// Its chain CNI-DN-…, or its rules in the tables cni_hostport.
void remove_reference_mappings(const state::AttachmentId& id);
/// Its chains cni-br-iface-… of table bridge nat.
void remove_reference_spoof_check(const state::AttachmentId& id);
/// The name of its ifb device.
std::string reference_ifb_name(const state::AttachmentId& id);

/// Whether one of these is there.
bool has_reference_parts(const state::AttachmentId& id);

/// GC: those of pods of the request's network that it does not list. The reference's rules for port mappings in
/// nftables name no network, and its ifb devices nobody: those stay.
void collect_reference_masquerade(const cni::Request& request);
void collect_reference_mappings(const cni::Request& request);

}  // namespace barewire::standard
