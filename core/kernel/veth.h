// SPDX-License-Identifier: Apache-2.0
/// veth pairs with one end in a pod, made by one request: new_link.h has what other kinds need. Source: veth(4),
/// drivers/net/veth.c veth_newlink.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/ip.h"
#include "core/kernel/link.h"
#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {

struct VethEnd {
  std::string name{};
  std::optional<MacAddress> mac{};  ///< absent: the kernel makes one up
};

struct VethPair {
  VethEnd host{};
  VethEnd pod{};
  std::optional<std::uint32_t> mtu{};  ///< of both ends
  int master = 0;                      ///< bridge of the host end, 0 = none
  bool host_up = true;
};

/// Creates both ends in one request, each in its netns under its own name, the host end attached and up. The pod's end
/// is down: the kernel cannot bring it up before the pair is joined; set_up(pod socket, …) does. Returns the host end;
/// its `parent` is the ifindex of the pod's end in the pod's netns.
/// Throws KernelError; EEXIST when one of the names is taken, and then nothing was created.
Link create_veth(NlSocket& host, const NetNs& pod, const VethPair& pair);

}  // namespace barewire::kernel
