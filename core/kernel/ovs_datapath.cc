// SPDX-License-Identifier: Apache-2.0
// The datapath counts its flows itself: a list of them, of which there may be a hundred thousand, is not asked for.
#include "core/kernel/ovs_datapath.h"

#include <linux/genetlink.h>
#include <linux/openvswitch.h>

#include "core/kernel/attributes.h"
#include "core/kernel/generic_netlink.h"

namespace barewire::kernel {

std::vector<OvsDatapath> list_ovs_datapaths() {
  std::vector<OvsDatapath> result;
  auto family = GenericFamily::find(OVS_DATAPATH_FAMILY, OVS_DATAPATH_VERSION);
  if (!family) return result;
  NlMessage message = family->message(OVS_DP_CMD_GET, NLM_F_DUMP);
  message.header(ovs_header{.dp_ifindex = 0});
  family->socket.dump(std::move(message), "reading the kernel's datapaths", [&](const nlmsghdr& answer) {
    const NlAttributes attributes(answer, sizeof(genlmsghdr) + sizeof(ovs_header));
    const auto stats = attributes.value<ovs_dp_stats>(OVS_DP_ATTR_STATS);
    if (!stats) return;
    result.push_back({.name = attributes.text(OVS_DP_ATTR_NAME),
                      .flows = stats->n_flows,
                      .hits = stats->n_hit,
                      .misses = stats->n_missed,
                      .lost = stats->n_lost});
  });
  return result;
}

}  // namespace barewire::kernel
