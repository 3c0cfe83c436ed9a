// SPDX-License-Identifier: Apache-2.0
/// The switch's part of the metrics: ports of Open vSwitch, their offload, and the representors of VFs. collect.h puts
/// it among the rest.
#pragma once

#include <string>
#include <vector>

#include "core/node.h"
#include "core/vf/inventory.h"
#include "device-manager/metrics/exposition.h"

namespace barewire::metrics {

/// Nothing where no switch runs. One transaction of its database, a request for each port's flows where it offloads.
/// Throws Error when the switch does not answer within a second.
void write_switch(Exposition& page);

/// Of PFs in switchdev mode; one dump of counters for all. Throws KernelError.
void write_representors(Exposition& page, const Node& node, const std::vector<vf::Pf>& pfs);

}  // namespace barewire::metrics
