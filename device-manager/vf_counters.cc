// SPDX-License-Identifier: Apache-2.0
// rtnetlink has no word for "not counted": rtnl_fill_vfinfo writes zeros where the driver has no ndo_get_vf_stats.
// Source: net/core/rtnetlink.c.
#include "device-manager/vf_counters.h"

#include <algorithm>

#include "core/kernel/link.h"
#include "core/kernel/link_stats.h"
#include "core/kernel/netns.h"
#include "core/log.h"

namespace barewire::manager {
namespace {

using kernel::VfStats;

constexpr std::optional<std::uint64_t> VfStats::*kMembers[] = {
    &VfStats::rx_packets, &VfStats::tx_packets, &VfStats::rx_bytes,   &VfStats::tx_bytes,
    &VfStats::broadcast,  &VfStats::multicast,  &VfStats::rx_dropped, &VfStats::tx_dropped};

/// nullopt: its netdev is not where the record says, or is none of the kernel's.
std::optional<VfStats> ask_in_pod(const CountedVf& vf) {
  const state::Attachment& holder = *vf.holder;
  const auto netns = kernel::NetNs::try_open(holder.netns);
  // By now the path may be another pod's.
  if (!netns || !holder.netns_id || netns->id() != *holder.netns_id) return std::nullopt;
  kernel::NlSocket inside = kernel::NlSocket::in(*netns);
  const auto links = kernel::list_links(inside);
  const auto link =
      std::find_if(links.begin(), links.end(), [&](const kernel::Link& each) { return each.parent_device == vf.pci; });
  if (link == links.end()) return std::nullopt;
  const auto counted = kernel::list_link_stats(inside);
  const auto found = counted.find(link->index);
  if (found == counted.end()) return std::nullopt;
  const kernel::LinkStats& stats = found->second;
  return VfStats{.id = vf.id,
                 .rx_packets = stats.rx_packets,
                 .tx_packets = stats.tx_packets,
                 .rx_bytes = stats.rx_bytes,
                 .tx_bytes = stats.tx_bytes,
                 .rx_dropped = stats.rx_dropped,
                 .tx_dropped = stats.tx_dropped};
}

std::vector<VfStats> ask_in_pods(const std::vector<CountedVf>& vfs) {
  std::vector<VfStats> own;
  for (const CountedVf& vf : vfs) {
    if (vf.holder == nullptr) continue;
    try {
      if (auto stats = ask_in_pod(vf)) own.push_back(*stats);
    } catch (const Error& error) {  // it may be ending just now
      log_debug("VF {} is not asked for its counters: {}", vf.pci, error.what());
    }
  }
  return own;
}

}  // namespace

bool has_counted(const std::vector<VfStats>& told) {
  return std::any_of(told.begin(), told.end(), [](const VfStats& vf) {
    return std::any_of(std::begin(kMembers), std::end(kMembers),
                       [&](const auto member) { return (vf.*member).value_or(0) != 0; });
  });
}

std::vector<VfStats> choose_counters(std::vector<VfStats> told, const std::vector<VfStats>& own) {
  // Nothing has flowed yet, or the driver counts: either way it is as the PF says.
  if (has_counted(told) || !has_counted(own)) return told;
  for (VfStats& vf : told) {
    const auto found = std::find_if(own.begin(), own.end(), [&](const VfStats& each) { return each.id == vf.id; });
    const auto link_state = vf.link_state;
    vf = found == own.end() ? VfStats{.id = vf.id} : *found;
    vf.link_state = link_state;
  }
  return told;
}

std::vector<VfStats> count_vfs(kernel::NlSocket& socket, int pf_index, const std::vector<CountedVf>& vfs) {
  auto told = kernel::list_vf_stats(socket, pf_index);
  if (told.empty() || has_counted(told)) return told;
  return choose_counters(std::move(told), ask_in_pods(vfs));
}

}  // namespace barewire::manager
