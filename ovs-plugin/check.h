// SPDX-License-Identifier: Apache-2.0
/// CHECK of the ovs plugin: the database, the switch and the pod's link beside what the configuration and the result of
/// ADD say. Changes nothing, and takes no lock.
#pragma once

#include <optional>
#include <string_view>

#include "core/cni/request.h"
#include "core/node.h"
#include "core/state/attachment.h"

namespace barewire::ovs {

/// Throws Error{drift} that names every difference, Error{config} without prevResult, Error{try_again} when the
/// database is down. Also judges pods that ovs-cni attached.
void check_attachment(const cni::Request& request, const std::optional<state::Attachment>& attachment,
                      std::string_view plugin, const Node& node);

}  // namespace barewire::ovs
