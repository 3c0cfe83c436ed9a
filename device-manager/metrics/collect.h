// SPDX-License-Identifier: Apache-2.0
/// The node's metrics as one page of Prometheus' text format. docs/observability.md lists every family. For `barewire
/// metrics` and the daemon's /metrics. Reads only, but for the journal's totals; one netlink request per PF.
#pragma once

#include <string>
#include <vector>

#include "core/node.h"

namespace barewire::metrics {

/// `pools_file`: empty: the default places. What cannot be read is left out, and told by barewire_collector_success and
/// in `problems`; the rest is there all the same. Safe from any thread.
std::string collect(const Node& node, const std::string& pools_file, std::vector<std::string>& problems);
/// The same, and what the daemon's parts have told (told.h).
std::string collect_in_daemon(const Node& node, const std::string& pools_file, std::vector<std::string>& problems);

}  // namespace barewire::metrics
