// SPDX-License-Identifier: Apache-2.0
// The kernel asks the driver for each VF's counters while it answers: one request, however many VFs there are.
#include "core/kernel/vf_stats.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

/// nullopt for an entry without number or statistics.
std::optional<VfStats> parse_entry(const nlattr& entry) {
  const NlAttributes vf(&entry);
  const auto mac = vf.value<ifla_vf_mac>(IFLA_VF_MAC);
  if (!mac || !vf.has(IFLA_VF_STATS)) return std::nullopt;
  const NlAttributes stats = vf.nest(IFLA_VF_STATS);
  const auto counter = [&](int attribute) { return stats.value<std::uint64_t>(attribute); };
  const auto link = vf.value<ifla_vf_link_state>(IFLA_VF_LINK_STATE);
  return VfStats{.id = mac->vf,
                 .rx_packets = counter(IFLA_VF_STATS_RX_PACKETS),
                 .tx_packets = counter(IFLA_VF_STATS_TX_PACKETS),
                 .rx_bytes = counter(IFLA_VF_STATS_RX_BYTES),
                 .tx_bytes = counter(IFLA_VF_STATS_TX_BYTES),
                 .broadcast = counter(IFLA_VF_STATS_BROADCAST),
                 .multicast = counter(IFLA_VF_STATS_MULTICAST),
                 .rx_dropped = counter(IFLA_VF_STATS_RX_DROPPED),
                 .tx_dropped = counter(IFLA_VF_STATS_TX_DROPPED),
                 .link_state = link ? std::optional(link->link_state) : std::nullopt};
}

}  // namespace

std::vector<VfStats> parse_vf_stats(const nlmsghdr& message) {
  std::vector<VfStats> result;
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(ifinfomsg)) return result;
  NlAttributes(message, sizeof(ifinfomsg)).nest(IFLA_VFINFO_LIST).each([&](const nlattr& entry) {
    if (nla_type(&entry) != IFLA_VF_INFO) return;
    if (auto stats = parse_entry(entry)) result.push_back(*stats);
  });
  std::sort(result.begin(), result.end(), [](const VfStats& a, const VfStats& b) { return a.id < b.id; });
  return result;
}

std::vector<VfStats> list_vf_stats(NlSocket& socket, int pf_index) {
  ifinfomsg header{};
  header.ifi_index = pf_index;
  NlMessage message(RTM_GETLINK, 0);
  // Without RTEXT_FILTER_SKIP_STATS, which leaves out the VFs' counters too.
  message.header(header).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_VF);
  std::vector<VfStats> result;
  socket.get(std::move(message), fmt::format("asking interface number {} for the counters of its VFs", pf_index),
             [&](const nlmsghdr& answer) { result = parse_vf_stats(answer); });
  return result;
}

}  // namespace barewire::kernel
