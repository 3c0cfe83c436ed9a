// SPDX-License-Identifier: Apache-2.0
/// How attachments differ from what their ADD made, by the cheapest question that their plugin answers. For `barewire
/// list` and `show`, which put it into a snapshot.
#pragma once

#include "device-manager/snapshot.h"

namespace barewire::cli {

/// For VFs: the sriov plugin's own comparison, in this process and without asking IPAM; another plugin's by its CHECK.
/// For others: their CHECK. `node` must outlive the finders.
manager::DriftFinders drift_finders(const Node& node);
/// As drift_finders, but attachments without a VF are not asked.
manager::DriftFinders drift_finders_of_vfs(const Node& node);

}  // namespace barewire::cli
