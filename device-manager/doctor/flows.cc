// SPDX-License-Identifier: Apache-2.0
// The end of the chain: are the flows of the switch's ports really in hardware?
#include <algorithm>

#include "core/kernel/flower.h"
#include "core/kernel/link.h"
#include "device-manager/doctor/doctor.h"

namespace barewire::manager {

namespace {

/// Ports of the kernel datapath have its own link for a master.
std::vector<kernel::Link> datapath_ports(kernel::NlSocket& socket) {
  std::vector<kernel::Link> links = kernel::list_links(socket);
  std::vector<int> datapaths;
  for (const kernel::Link& link : links)
    if (link.kind == "openvswitch") datapaths.push_back(link.index);
  std::erase_if(links, [&](const kernel::Link& link) {
    return link.master == 0 || std::find(datapaths.begin(), datapaths.end(), link.master) == datapaths.end();
  });
  return links;
}

bool is_of_a_switch_chip(const kernel::Link& link) {
  return !link.phys_switch_id.empty();
}

Finding judge(const kernel::Link& port, const std::vector<kernel::FlowerFilter>& filters) {
  const auto in_hardware =
      std::count_if(filters.begin(), filters.end(), [](const auto& each) { return each.in_hardware; });
  const auto kept_away =
      std::count_if(filters.begin(), filters.end(), [](const auto& each) { return each.skip_hardware; });
  const auto total = static_cast<std::ptrdiff_t>(filters.size());
  const std::string text = fmt::format("{} of {} offloaded flows are in hardware", in_hardware, total);
  // A port that is none of the chip's (a veth) cannot be offloaded from, and that is no fault.
  if (in_hardware == total) return {Verdict::good, port.name, text, ""};
  if (!is_of_a_switch_chip(port)) return {Verdict::note, port.name, text + ": it is no port of a switching NIC", ""};
  // The administrator, or an older setting, asked for it: the driver was never tried.
  if (kept_away > 0) return {Verdict::warning, port.name, text + ": they are marked skip_hw", "look at tc-policy"};
  return {Verdict::warning, port.name, text + ": the driver refused the others",
          fmt::format("tc -s filter show dev {} ingress | grep -B20 not_in_hw; dmesg tells what the driver lacks",
                      port.name)};
}

}  // namespace

void examine_flows(const ChainInUse& use, Findings& findings) {
  if (!use.hw_offload) return;
  kernel::NlSocket socket;
  bool any = false;
  for (const kernel::Link& port : datapath_ports(socket)) {
    const auto filters = kernel::list_flower_filters(socket, port.index);
    if (filters.empty()) continue;
    any = true;
    findings.push_back(judge(port, filters));
  }
  if (!any)
    findings.push_back({Verdict::note, "flows", "none are offloaded at this moment",
                        // Idle flows are taken out after ten seconds. Source: ovs-vswitchd.conf.db(5),
                        // other_config:max-idle.
                        "send traffic through the bridge and look again within ten seconds"});
}

}  // namespace barewire::manager
