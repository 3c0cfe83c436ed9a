// SPDX-License-Identifier: Apache-2.0
// The end of the chain: are the flows of the switch's ports really in hardware?
#include <algorithm>

#include "core/kernel/link.h"
#include "device-manager/doctor/doctor.h"
#include "device-manager/port_offload.h"

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

Finding judge(const kernel::Link& port, const PortOffload& offload) {
  const std::string text = fmt::format("{} of {} offloaded flows are in hardware", offload.in_hardware, offload.flows);
  const std::string why = why_in_software(offload);
  if (why.empty()) return {Verdict::good, port.name, text, ""};
  const Verdict verdict = offload.representor ? Verdict::warning : Verdict::note;
  std::string next;
  if (offload.representor)
    next =
        offload.skipped > 0
            ? "look at tc-policy"
            : fmt::format("tc -s filter show dev {} ingress | grep -B20 not_in_hw; dmesg tells what the driver lacks",
                          port.name);
  return {verdict, port.name, text + ": " + why, std::move(next)};
}

}  // namespace

void examine_flows(const ChainInUse& use, Findings& findings) {
  if (!use.hw_offload) return;
  kernel::NlSocket socket;
  bool any = false;
  for (const kernel::Link& port : datapath_ports(socket)) {
    const PortOffload offload = read_port_offload(socket, port);
    if (offload.flows == 0) continue;
    any = true;
    findings.push_back(judge(port, offload));
  }
  if (!any)
    findings.push_back({Verdict::note, "flows", "none are offloaded at this moment",
                        // Idle flows are taken out after ten seconds. Source: ovs-vswitchd.conf.db(5),
                        // other_config:max-idle.
                        "send traffic through the bridge and look again within ten seconds"});
}

}  // namespace barewire::manager
