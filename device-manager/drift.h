// SPDX-License-Identifier: Apache-2.0
/// How attachments differ from what their ADD made, by the cheapest question that their plugin answers. For those who
/// put it into a snapshot: `barewire list` and `show`, the page.
#pragma once

#include "device-manager/snapshot.h"

namespace barewire::manager {

/// For VFs: the sriov plugin's own comparison, in this process and without asking IPAM; another plugin's by its CHECK.
/// For others: their CHECK. `node` must outlive the finders.
DriftFinders drift_finders(const Node& node);
/// As drift_finders, but attachments without a VF are not asked.
DriftFinders drift_finders_of_vfs(const Node& node);
/// As drift_finders_of_vfs, but plugins that would need a process for the answer are not asked: for who asks again and
/// again.
DriftFinders quick_drift_finders(const Node& node);

}  // namespace barewire::manager
