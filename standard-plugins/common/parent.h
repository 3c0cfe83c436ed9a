// SPDX-License-Identifier: Apache-2.0
/// The interface that macvlan, ipvlan and vlan links stand on: "master", "linkInContainer" and "mtu". pod_link.h makes
/// the link. Source: ip-link(8), "link DEVICE".
#pragma once

#include <cstdint>
#include <string>

#include "core/cni/request.h"
#include "core/kernel/link.h"
#include "core/kernel/netns.h"
#include "core/kernel/new_link.h"

namespace barewire::standard {

struct Parent {
  kernel::Link link;
  bool in_container = false;  ///< it is in the pod's netns
};

/// `inside` is a socket of the pod's netns. With no name: the interface of the default route, of IPv4 before IPv6.
/// Throws Error{config} naming the key when there is no such interface, or no default route.
Parent find_parent(const cni::Request& request, kernel::NlSocket& inside, const std::string& name);
/// "linkInContainer".
bool is_parent_in_container(const cni::Request& request);
/// "mtu", at most the parent's; nullopt: the kernel takes the parent's. Throws Error{config} naming the key.
std::optional<std::uint32_t> parse_mtu(const cni::Request& request, const kernel::Link& parent);
/// "mtu" alone, for what can be said of it before the parent is known. Throws Error{config}.
void require_valid_mtu(const cni::Request& request);

/// What a link `request.ifname` on `parent` has in common, for a socket of the pod's netns.
kernel::NewLink link_on(const Parent& parent, const cni::Request& request, kernel::NlSocket& inside);

/// Whether `link` stands on `parent`, as a clause when it does not.
std::vector<std::string> compare_parent(const Parent& parent, const kernel::Link& link);

}  // namespace barewire::standard
