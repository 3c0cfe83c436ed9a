// SPDX-License-Identifier: Apache-2.0
/// The request that creates a software link of any kind; veth.h and the plugins fill it in. Beside link.h, which has
/// what all links have in common. Source: ip-link(8); net/core/rtnetlink.c rtnl_newlink.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/ip.h"
#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {

class NlAttributes;

/// What every link has. Absent: the kernel chooses.
struct NewLink {
  std::string name{};
  const NetNs* netns = nullptr;  ///< created there, under its name; nullptr: in the socket's netns
  int parent = 0;                ///< ifindex (macvlan, ipvlan, vlan) in the socket's netns or parent_netns; 0: none
  std::optional<int> parent_netns{};  ///< peer_netns_id of the parent's netns
  /// With parent_netns: its name for a moment where the parent's netns has an interface called `name`. Kernels before
  /// 6.13 make the link there first. Source: rtnl_newlink_create, net/core/rtnetlink.c.
  std::string transit_name{};
  int master = 0;  ///< ifindex in the socket's netns; 0: none
  std::optional<MacAddress> mac{};
  std::optional<std::uint32_t> mtu{};
  std::optional<std::uint32_t> tx_queue_length{};
  bool up = false;
  /// What the kernel tells of the new link goes here: since Linux 6.2, of one in the socket's own netns, and before it
  /// has its master. nullptr: it is not asked.
  std::optional<Link>* told = nullptr;
};

/// The number by which the netns of `socket` knows `other`, given now where it had none. With it a link is created by a
/// socket of its own netns under a parent in another. Source: RTM_GETNSID, net/core/net_namespace.c.
int peer_netns_id(NlSocket& socket, const NetNs& other);

/// One RTM_NEWLINK of `kind`; `fill` appends the kind's own attributes. Throws KernelError, EEXIST when the name is
/// taken.
void create_link(NlSocket& socket, std::string_view kind, const NewLink& link,
                 const std::function<void(NlMessage&)>& fill = {});

/// The kind's own attributes of a link (IFLA_INFO_DATA), shown to `visit`; false when there is no such link or it is of
/// another kind. Throws KernelError.
bool read_link_data(NlSocket& socket, int index, std::string_view kind,
                    const std::function<void(const NlAttributes&)>& visit);
/// The same of a link that belongs to a master of `kind` (IFLA_INFO_SLAVE_DATA).
bool read_port_data(NlSocket& socket, int index, std::string_view kind,
                    const std::function<void(const NlAttributes&)>& visit);
/// Changes the kind's own attributes of a link. Throws KernelError.
void change_link_data(NlSocket& socket, int index, std::string_view kind, std::string_view doing,
                      const std::function<void(NlMessage&)>& fill);

}  // namespace barewire::kernel
