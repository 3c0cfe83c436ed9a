// SPDX-License-Identifier: Apache-2.0
/// Reading the objects of a declaration strictly: each key once known, and whatever is wrong kept, so that one look
/// tells all of it. For reader.cc and its parts.
#pragma once

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json_view.h"
#include "device-manager/state/declaration.h"

namespace barewire::declared {

using Reader = std::function<void(const JsonView&)>;
/// The keys that an object may have, with what reads each.
using Keys = std::vector<std::pair<std::string_view, Reader>>;

/// Runs `read`; what it throws is kept in `problems`.
void attempt(std::vector<Problem>& problems, const std::function<void()>& read);
/// Reads each member of `view` by its key, exactly as written; "comment" may stand anywhere. A key that is not known is
/// a problem, with the one that is most likely meant.
void read_keys(std::vector<Problem>& problems, const JsonView& view, const Keys& keys);

/// One entry of "nics".
Nic parse_nic(std::vector<Problem>& problems, const JsonView& view, const std::string& file);
/// One entry of "bridges".
OvsBridge parse_bridge(std::vector<Problem>& problems, const JsonView& view, const std::string& file);
/// One entry of "groups"; its settings alone, not what the NIC says of them.
VfGroup parse_group(std::vector<Problem>& problems, const JsonView& view);

}  // namespace barewire::declared
