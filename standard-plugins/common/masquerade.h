// SPDX-License-Identifier: Apache-2.0
/// Masquerading what pods send outside their own subnet ("ipMasq"), for bridge and ptp. One chain per network and
/// subnet, the pods' addresses in its set; or, where the configuration asks for it, rules of the iptables command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cni/result.h"
#include "core/json_view.h"
#include "core/node.h"
#include "core/state/attachment.h"

namespace barewire::standard {

enum class NatBackend { nftables, iptables };

/// Whether somebody translates addresses by iptables on this node: its nat table is there, of either make. What such
/// rules accept or translate first, no table beside theirs sees.
bool has_iptables_nat();
/// That, and the commands are there.
bool uses_iptables_nat();

/// "ipMasqBackend": "nftables" or "iptables"; without one iptables where the node uses it, as uses_iptables_nat()
/// tells, else nftables. Throws Error naming the key; Error{config} when iptables is asked for and is not on the node.
NatBackend parse_masquerade_backend(const JsonView& root);

/// What of a record's data tells of masquerading.
struct Masquerade {
  NatBackend backend = NatBackend::nftables;
  std::vector<IpPrefix> addresses;  ///< each pod address with its subnet's length
  /// nullopt when ADD made none.
  static std::optional<Masquerade> from_record(const state::Attachment& attachment);
  /// Into the data of `attachment`, which the caller saves before add_masquerade().
  void to_record(state::Attachment& attachment) const;
};

/// Throws KernelError, or Error{kernel} with what iptables said.
void add_masquerade(const state::AttachmentId& id, const Masquerade& masquerade, const Node& node);
/// Harmless when it is not there.
void remove_masquerade(const state::AttachmentId& id, const Masquerade& masquerade, const Node& node);
/// What is missing, as clauses.
std::vector<std::string> compare_masquerade(const state::AttachmentId& id, const Masquerade& masquerade);

}  // namespace barewire::standard
