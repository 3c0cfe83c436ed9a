// SPDX-License-Identifier: Apache-2.0
// Flows that the kernel knows bypass the nat chains, so a mapping alone does not reach them.
#include "core/kernel/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <string>
#include <vector>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

// What of a tuple the kernel compares. Source: net/netfilter/nf_conntrack_netlink.c, CTA_FILTER_F_*.
constexpr std::uint32_t kCompareProtocol = 1U << 3U;
constexpr std::uint32_t kCompareDestinationPort = 1U << 5U;

NlMessage conntrack_message(int type, bool v4) {
  NlMessage message((NFNL_SUBSYS_CTNETLINK << 8) | type, 0);
  message.header(nfgenmsg{
      .nfgen_family = static_cast<std::uint8_t>(v4 ? AF_INET : AF_INET6), .version = NFNETLINK_V0, .res_id = 0});
  return message;
}

NlMessage dump_message(const UdpFlows& flows) {
  NlMessage message = conntrack_message(IPCTNL_MSG_CT_GET, flows.v4);
  message.nest(CTA_TUPLE_ORIG, [&](NlMessage& tuple) {
    tuple.nest(CTA_TUPLE_PROTO, [&](NlMessage& protocol) {
      protocol.put_u8(CTA_PROTO_NUM, IPPROTO_UDP).put_u16(CTA_PROTO_DST_PORT, htons(flows.port));
    });
  });
  message.nest(CTA_FILTER, [](NlMessage& filter) {
    filter.put_u32(CTA_FILTER_ORIG_FLAGS, kCompareProtocol | kCompareDestinationPort);
    filter.put_u32(CTA_FILTER_REPLY_FLAGS, 0);
  });
  return message;
}

/// Kernels before 5.8 know no filter and send every flow, so each is looked at here once more.
bool is_among(const NlAttributes& tuple, const UdpFlows& flows) {
  const NlAttributes protocol = tuple.nest(CTA_TUPLE_PROTO);
  if (protocol.value_or<std::uint8_t>(CTA_PROTO_NUM, 0) != IPPROTO_UDP) return false;
  if (protocol.value_or<std::uint16_t>(CTA_PROTO_DST_PORT, 0) != htons(flows.port)) return false;
  if (!flows.destination) return true;
  const auto bytes = tuple.nest(CTA_TUPLE_IP).bytes(flows.v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST);
  return bytes.size() == flows.destination->size() &&
         IpAddress::from_bytes(bytes.data(), bytes.size()) == *flows.destination;
}

}  // namespace

std::size_t forget_udp_flows(NlSocket& socket, const UdpFlows& flows) {
  const std::string doing = fmt::format("forgetting UDP flows to port {}", flows.port);
  std::vector<std::string> tuples;
  socket.dump(dump_message(flows), doing, [&](const nlmsghdr& answer) {
    const NlAttributes flow(answer, sizeof(nfgenmsg));
    if (is_among(flow.nest(CTA_TUPLE_ORIG), flows)) tuples.emplace_back(flow.bytes(CTA_TUPLE_ORIG));
  });
  std::size_t forgotten = 0;
  for (const std::string& tuple : tuples) {
    NlMessage message = conntrack_message(IPCTNL_MSG_CT_DELETE, flows.v4);
    message.put(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple.data(), tuple.size());
    // ENOENT: the flow has ended by itself since it was listed.
    if (socket.request_unless(std::move(message), doing, {ENOENT})) ++forgotten;
  }
  return forgotten;
}

}  // namespace barewire::kernel
