// SPDX-License-Identifier: Apache-2.0
// Statistics have a request of their own: a dump of links asks each driver for all the rest, too.
#include "core/kernel/link_stats.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

std::map<int, LinkStats> list_link_stats(NlSocket& socket) {
  if_stats_msg header{};
  header.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
  NlMessage message(RTM_GETSTATS, 0);
  message.header(header);
  std::map<int, LinkStats> result;
  socket.dump(std::move(message), "reading the counters of links", [&](const nlmsghdr& part) {
    if (part.nlmsg_type != RTM_NEWSTATS || part.nlmsg_len < NLMSG_LENGTH(sizeof(if_stats_msg))) return;
    if_stats_msg link{};
    std::memcpy(&link, nlmsg_data(&part), sizeof link);
    // The first of them alone: each kernel may have added some at the end.
    const auto counted = NlAttributes(part, sizeof link).value<LinkStats>(IFLA_STATS_LINK_64);
    if (counted) result[static_cast<int>(link.ifindex)] = *counted;
  });
  return result;
}

}  // namespace barewire::kernel
