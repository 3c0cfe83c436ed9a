// SPDX-License-Identifier: Apache-2.0
/// What the plugins behind another in its chain have made of its work, from their records: for whoever compares an
/// attachment with the kernel without a runtime, which would send the chain's last result. Used by the admin's commands
/// and by plugins whose CHECK looks at what a result does not tell. Reads records, changes nothing.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string_view>

#include "core/state/store.h"

namespace barewire::cni {

/// What the last plugin of the chain answered for the interface of `attachment`; its own plugin's answer where no later
/// one has a record. nullopt where ADD did not come to its end. Throws Error{state} when a record is damaged.
std::optional<boost::json::value> find_final_result(const state::Store& store, const state::Attachment& attachment);

/// Whether the tuning plugin, behind `id` in its chain, was given `key` ("mtu", "mac", "promisc", …). Throws
/// Error{state}.
bool is_tuned_later(const state::Store& store, const state::AttachmentId& id, std::string_view key);

}  // namespace barewire::cni
