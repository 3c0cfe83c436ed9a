// SPDX-License-Identifier: Apache-2.0
/// Dropping frames a pod sends from a MAC address that is not its own ("macspoofchk"): one rule on the node, the pods'
/// ports and addresses in its two sets, in table bridge. bridge.cc makes it, DEL and CHECK go by the record. Source:
/// nft(8), "BRIDGE ADDRESS FAMILY".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/state/attachment.h"

namespace barewire::standard {

/// One pod's port and the only source address it may use.
struct SpoofCheck {
  std::string port;
  MacAddress mac;
  /// nullopt when ADD made none. Throws Error{state} naming the key.
  static std::optional<SpoofCheck> from_record(const state::Attachment& attachment);
  void to_record(state::Attachment& attachment) const;
};

/// In one transaction, with the rule and its sets where they are missing. Throws KernelError.
void add_spoof_check(const state::AttachmentId& id, const SpoofCheck& check);
/// Only what is this attachment's own; harmless when there is nothing. Throws KernelError.
void remove_spoof_check(const state::AttachmentId& id, const SpoofCheck& check);
/// What is missing, as clauses.
std::vector<std::string> compare_spoof_check(const state::AttachmentId& id, const SpoofCheck& check);

}  // namespace barewire::standard
