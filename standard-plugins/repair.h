// SPDX-License-Identifier: Apache-2.0
/// `barewire repair` of rules: what a flush of the ruleset, or a reload of another firewall, took from running pods is
/// made anew from their records.
#pragma once

#include <string>
#include <vector>

#include "core/node.h"
#include "core/state/attachment.h"

namespace barewire::standard {

/// The operation of plugins whose attachments are rules, or have some. Under the attachment's lock. Returns what was
/// missing, as clauses, and made anew unless `dry_run`; none when its DEL came first. Throws what the plugin's ADD
/// throws.
std::vector<std::string> repair_rules(const state::Attachment& attachment, Node& node, bool dry_run);

/// By plugin; those of bridge and ptp are masquerading and the spoof check.
std::vector<std::string> repair_mappings(const state::Attachment& attachment, Node& node, bool dry_run);
std::vector<std::string> repair_firewall(const state::Attachment& attachment, Node& node, bool dry_run);

}  // namespace barewire::standard
