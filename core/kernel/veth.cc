// SPDX-License-Identifier: Apache-2.0
// Both ends in one request: a pair made on the host and then moved would show the pod's name there for a moment.
#include "core/kernel/veth.h"

#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "core/kernel/new_link.h"

namespace barewire::kernel {

namespace {

void put_pod_end(NlMessage& data, const NetNs& pod, const VethPair& pair) {
  // The peer's attributes follow a link header of its own, and may name another netns than the first end's: so no end
  // is ever seen under a wrong name or in a wrong place. Source: drivers/net/veth.c veth_newlink.
  data.nest(VETH_INFO_PEER, [&](NlMessage& peer) {
    peer.header(ifinfomsg{}).put_string(IFLA_IFNAME, pair.pod.name);
    peer.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(pod.fd()));
    if (pair.pod.mac) peer.put(IFLA_ADDRESS, pair.pod.mac->data(), pair.pod.mac->bytes().size());
    if (pair.mtu) peer.put_u32(IFLA_MTU, *pair.mtu);
  });
}

/// The kernel says EEXIST of either end's name, in words that tell neither which nor where. Throws where it can be
/// told.
void explain_taken(NlSocket& host, const NetNs& pod, const VethPair& pair) {
  NlSocket inside = NlSocket::in(pod);
  const bool in_pod = find_link(inside, pair.pod.name).has_value();
  if (!in_pod && !find_link(host, pair.host.name)) return;  // it went meanwhile
  const std::string doing = fmt::format("creating the veth pair of {} failed: ", pair.pod.name);
  // In the reference plugins' words.
  if (in_pod)
    throw KernelError(
        EEXIST,
        doing + fmt::format("container veth name provided ({}) already exists in {}", pair.pod.name, pod.path()),
        "every network of a pod needs an interface name of its own");
  throw KernelError(EEXIST, doing + fmt::format("the node has an interface {} already", pair.host.name), "");
}

}  // namespace

Link create_veth(NlSocket& host, const NetNs& pod, const VethPair& pair) {
  NewLink link;
  link.name = pair.host.name;
  link.mac = pair.host.mac;
  link.mtu = pair.mtu;
  link.master = pair.master;
  link.up = pair.host_up;
  std::optional<Link> told;
  link.told = &told;
  try {
    create_link(host, "veth", link, [&](NlMessage& data) { put_pod_end(data, pod, pair); });
  } catch (const KernelError& error) {
    if (error.err() == EEXIST) explain_taken(host, pod, pair);
    throw;
  }
  if (!told || told->name != pair.host.name) return get_link(host, pair.host.name);
  told->master = pair.master;  // told before it was attached, which the kernel has acknowledged since
  return *std::move(told);
}

}  // namespace barewire::kernel
