// SPDX-License-Identifier: Apache-2.0
/// Bandwidth of a pod whose interface is a VF: the NIC limits what it sends. On a user-space driver, too. Works on
/// core/vf/rate.h, under the PF's lock; bandwidth.cc decides which way is taken.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cni/plugin.h"
#include "core/state/attachment.h"
#include "standard-plugins/bandwidth/config.h"

namespace barewire::standard {

/// The VF that the plugin before this one handed over, as its result tells (pciID); nullopt when it was none.
std::optional<std::string> find_vf(const cni::Result& previous, const std::string& ifname, const Node& node);

/// Limits `device` and writes `attachment` before it does. Throws Error{config} when the rate is less than the 1 Mb/s
/// that NICs count in, Error{unsupported_by_nic} when this one has no such limit, or the config limits what is
/// received, too. Nothing was touched then. Throws KernelError.
void limit_vf(state::Attachment& attachment, const std::string& device, const BandwidthConfig& config, Node& node);

/// Harmless when the record has no VF.
void lift_limit(const state::Attachment& attachment, Node& node);

/// What is not as `attachment` left it, one clause each.
void compare_vf(std::vector<std::string>& clauses, const state::Attachment& attachment, Node& node);

}  // namespace barewire::standard
