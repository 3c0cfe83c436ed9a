// SPDX-License-Identifier: Apache-2.0
/// Where an attachment and the kernel differ, and putting that right: CHECK, `barewire check` and `barewire repair`.
/// Compares by the record (core/vf/record.h), never by the configuration of now.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cni/result.h"
#include "core/node.h"
#include "core/state/attachment.h"
#include "core/vf/host.h"

namespace barewire::sriov {

/// Every difference, as "vlan is 0, ADD set 100"; empty when there is none. `previous` is the chain's final result, as
/// CHECK gets it: later plugins of the chain may have changed MAC, MTU and addresses. Absent: what ADD answered.
std::vector<std::string> find_drift(vf::Host& host, const state::Attachment& attachment,
                                    const std::optional<cni::Result>& previous = std::nullopt);

/// Throws Error{drift} naming all differences.
void check_attachment(vf::Host& host, const state::Attachment& attachment, const std::optional<cni::Result>& previous);

/// Puts right what find_drift finds, and returns what was done, or with `dry_run` what would be, one line each. Takes
/// the attachment's and the PF's lock. Throws Error{drift} naming what is left, Error when a repair fails.
std::vector<std::string> repair(const state::Attachment& attachment, Node& node, bool dry_run);

}  // namespace barewire::sriov
