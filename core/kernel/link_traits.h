// SPDX-License-Identifier: Apache-2.0
/// What a netdev keeps of whoever used it last, wherever it is moved: flags, group, segment sizes, programs. link.h has
/// what everybody asks for; this is for handing a device on as it was. ethtool_settings.h has what its driver keeps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/link.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {

/// Source: ip-link(8); include/uapi/linux/if_link.h; net/core/dev.c __dev_change_flags.
struct LinkTraits {
  std::uint32_t flags = 0;                          ///< IFF_NOARP, IFF_MULTICAST and what else can be set like them
  std::map<std::string, std::uint32_t> numbers{};   ///< by what they are called in a message: "group", "gso_max_size"
  std::string broadcast{};                          ///< the address's bytes
  std::map<std::string, std::uint32_t> programs{};  ///< XDP programs: by mode ("driver", "generic", "hardware"), the id
  std::uint32_t tcx_programs = 0;                   ///< how many are attached with bpf(2) at its two ends of tc
  friend bool operator==(const LinkTraits&, const LinkTraits&) = default;
};

/// nullopt when there is no such link. `socket` is of the calling thread's netns. Throws KernelError.
std::optional<LinkTraits> read_link_traits(NlSocket& socket, int index);
/// Sets back what differs from `wanted`. Returns what the kernel did not let go of, as clauses ("group is 7, was 0"):
/// an XDP program that a bpf link holds leaves with the netdev alone. Throws KernelError.
std::vector<std::string> restore_link_traits(NlSocket& socket, const Link& link, const LinkTraits& wanted);

/// Links that get the frames of another one: VLANs, macvlans, ipvlans and their like.
/// One of the next function's finds; upper_links.h has those of one netns, with their kind.
struct StackedLink {
  int index = 0;
  std::string name{};
};
/// Those of `netns` that stand on interface number `parent` of another netns: they stay on it when it is moved away
/// from them. Throws KernelError. Source: net/8021q/vlan.c vlan_device_event, drivers/net/macvlan.c
/// macvlan_device_event.
std::vector<StackedLink> list_stacked_links(const NetNs& netns, const NetNs& netns_of_parent, int parent);

/// Whether `netns` has exchanged links with a netns that is none of `known`: one that only a file descriptor keeps
/// alive. Throws KernelError. Source: RTM_GETNSID, net/core/net_namespace.c; net/core/dev.c __dev_change_net_namespace.
bool has_hidden_neighbour(const NetNs& netns, const std::vector<NetNs>& known);

}  // namespace barewire::kernel
