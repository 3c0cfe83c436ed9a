// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/veth.h"

#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "core/kernel/new_link.h"

namespace barewire::kernel {

namespace {

void put_pod_end(NlMessage& data, const NetNs& pod, const VethPair& pair) {
  data.nest(VETH_INFO_PEER, [&](NlMessage& peer) {
    peer.header(ifinfomsg{}).put_string(IFLA_IFNAME, pair.pod.name);
    peer.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(pod.fd()));
    if (pair.pod.mac) peer.put(IFLA_ADDRESS, pair.pod.mac->data(), pair.pod.mac->bytes().size());
    if (pair.mtu) peer.put_u32(IFLA_MTU, *pair.mtu);
  });
}

}  // namespace

Link create_veth(NlSocket& host, const NetNs& pod, const VethPair& pair) {
  NewLink link;
  link.name = pair.host.name;
  link.mac = pair.host.mac;
  link.mtu = pair.mtu;
  link.master = pair.master;
  link.up = pair.host_up;
  create_link(host, "veth", link, [&](NlMessage& data) { put_pod_end(data, pod, pair); });
  return get_link(host, pair.host.name);
}

}  // namespace barewire::kernel
