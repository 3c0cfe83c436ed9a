// SPDX-License-Identifier: Apache-2.0
// The kernel says of each filter whether the driver has taken it; why not is known from who the port is.
#include "device-manager/port_offload.h"

#include <algorithm>

namespace barewire::manager {

PortOffload read_port_offload(kernel::NlSocket& socket, const kernel::Link& link) {
  const auto filters = kernel::list_flower_filters(socket, link.index);
  const auto count = [&](auto&& is) {
    return static_cast<std::size_t>(std::count_if(filters.begin(), filters.end(), is));
  };
  return {
      .representor = !link.phys_switch_id.empty(),
      .flows = filters.size(),
      .in_hardware = count([](const kernel::FlowerFilter& filter) { return filter.in_hardware; }),
      .skipped = count([](const kernel::FlowerFilter& filter) { return filter.skip_hardware && !filter.in_hardware; })};
}

std::optional<unsigned> share_of(const PortOffload& offload) {
  if (offload.flows == 0) return std::nullopt;
  return static_cast<unsigned>(100 * offload.in_hardware / offload.flows);
}

std::string why_in_software(const PortOffload& offload) {
  if (offload.in_hardware == offload.flows) return {};
  // A port that is none of the chip's (a veth) cannot be offloaded from, and that is no fault.
  if (!offload.representor) return "it is no port of a switching NIC";
  // The administrator, or an older setting, asked for it: the driver was never tried.
  if (offload.skipped > 0) return "they are marked skip_hw";
  return "the driver refused the others";
}

}  // namespace barewire::manager
