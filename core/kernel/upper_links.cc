// SPDX-License-Identifier: Apache-2.0
// One dump of all links, since the kernel keeps no list of upper devices that rtnetlink would tell.
#include "core/kernel/upper_links.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

// IFLA_LINK alone does not tell: tunnels, the peer of a veth and others have one and get no frames from it.
constexpr std::array<std::string_view, 7> kKinds = {"vlan",   "macvlan", "macvtap", "ipvlan",
                                                    "ipvtap", "macsec",  "ipoib"};

std::optional<UpperLink> parse_upper(const nlmsghdr& message, int lower) {
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(ifinfomsg)) return std::nullopt;
  ifinfomsg header{};
  std::memcpy(&header, nlmsg_data(&message), sizeof header);
  const NlAttributes attributes(message, sizeof header);
  // IFLA_LINK_NETNSID is there only when the lower link is in another netns.
  if (attributes.value_or<int>(IFLA_LINK, 0) != lower || attributes.has(IFLA_LINK_NETNSID)) return std::nullopt;
  UpperLink upper{header.ifi_index, attributes.text(IFLA_IFNAME), attributes.nest(IFLA_LINKINFO).text(IFLA_INFO_KIND)};
  if (std::find(kKinds.begin(), kKinds.end(), upper.kind) == kKinds.end()) return std::nullopt;
  return upper;
}

}  // namespace

std::vector<UpperLink> list_upper_links(NlSocket& socket, int index) {
  NlMessage message(RTM_GETLINK, 0);
  message.header(ifinfomsg{}).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::vector<UpperLink> uppers;
  socket.dump(std::move(message), "listing interfaces", [&](const nlmsghdr& answer) {
    if (auto upper = parse_upper(answer, index)) uppers.push_back(*std::move(upper));
  });
  return uppers;
}

}  // namespace barewire::kernel
