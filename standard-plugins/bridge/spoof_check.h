// SPDX-License-Identifier: Apache-2.0
/// Dropping frames a pod sends from a MAC address that is not its own ("macspoofchk"): one rule on the node, the pods'
/// ports and addresses in its two sets.
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
  static std::optional<SpoofCheck> from_record(const state::Attachment& attachment);
  void to_record(state::Attachment& attachment) const;
};

void add_spoof_check(const state::AttachmentId& id, const SpoofCheck& check);
void remove_spoof_check(const state::AttachmentId& id, const SpoofCheck& check);
std::vector<std::string> compare_spoof_check(const state::AttachmentId& id, const SpoofCheck& check);

}  // namespace barewire::standard
