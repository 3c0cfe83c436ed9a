// SPDX-License-Identifier: Apache-2.0
/// Comparing an attachment with the kernel by its own plugin's CHECK, called in a child process (plugin_call.h). Used
/// by `barewire check` and, for attachments whose plugin tells no details, by `barewire list`.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "core/state/attachment.h"

namespace barewire::manager {

/// The configuration a runtime would send to CHECK: that of ADD, with the chain's last `result` as "prevResult" and
/// cniVersion 1.1.0, in whose shape records keep results. Throws Error{state} when the record's configuration is
/// damaged. Source: CNI spec 1.1.0, "CHECK".
std::string check_config(const state::Attachment& attachment, const std::optional<boost::json::value>& result);

/// One attachment and the verdict of its plugin.
struct CheckOutcome {
  state::Attachment attachment;
  std::optional<Error> error;  ///< what CHECK said; absent: all is as ADD left it
};
/// Calls the plugin in a child process. Throws nothing but std::bad_alloc. Takes as long as CHECK does, at most
/// kPluginTimeout.
CheckOutcome check(const Node& node, const state::Attachment& attachment);

/// Sentences for drift lists; empty when CHECK is content.
std::vector<std::string> drift_by_check(const Node& node, const state::Attachment& attachment);

}  // namespace barewire::manager
