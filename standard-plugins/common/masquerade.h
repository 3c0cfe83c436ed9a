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

/// "ipMasqBackend": "nftables" (the default) or "iptables". Throws Error naming the key; Error{config} when the
/// iptables command is asked for and is not on the node.
NatBackend parse_masquerade_backend(const JsonView& root);

/// What of a record's data tells of masquerading.
struct Masquerade {
  NatBackend backend = NatBackend::nftables;
  std::vector<IpPrefix> addresses;  ///< each pod address with its subnet's length
  static std::optional<Masquerade> from_record(const state::Attachment& attachment);
  void to_record(state::Attachment& attachment) const;
};

/// Throws KernelError, or Error{kernel} with what iptables said.
void add_masquerade(const state::AttachmentId& id, const Masquerade& masquerade, const Node& node);
/// Harmless when it is not there.
void remove_masquerade(const state::AttachmentId& id, const Masquerade& masquerade, const Node& node);
/// What is missing, as clauses.
std::vector<std::string> compare_masquerade(const state::AttachmentId& id, const Masquerade& masquerade);

}  // namespace barewire::standard
