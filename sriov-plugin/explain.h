// SPDX-License-Identifier: Apache-2.0
/// What ADD would do, for `barewire explain`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/node.h"

namespace barewire::sriov {

/// The steps of ADD with network config `config` (JSON), one line each, on VF `device` (a PCI address) or, absent, the
/// one the config names or its pool would give now. Touches nothing, not even a lock; what the kernel would have to be
/// asked by a change is said to be tried. Where the node lacks what ADD needs: that its "fallback" is called. Throws
/// what ADD would throw before its first change.
std::vector<std::string> explain(const std::string& config, const std::optional<std::string>& device, Node& node);

}  // namespace barewire::sriov
