// SPDX-License-Identifier: Apache-2.0
// Whole fields are matched: most NICs take a field whole or not at all.
#include "device-manager/dpdk/flows.h"

#include <rte_flow.h>

#include <array>
#include <boost/json/object.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "core/utf8.h"

namespace barewire::dpdk {
namespace {

namespace json = boost::json;

constexpr std::uint8_t kAll = 0xff;
constexpr std::array<std::uint8_t, 6> kMac = {0x02, 0, 0x5e, 0, 0x53, 0x01};  // locally administered

/// Spec and mask of one protocol; what the mask leaves out is zero.
template <typename Item>
struct Match {
  Item spec{};
  Item mask{};
};

/// Every item that patterns are put together of. Addresses of documentation. Source: RFC 5737, RFC 3849.
struct Items {
  Match<rte_flow_item_eth> eth;
  Match<rte_flow_item_vlan> vlan;
  Match<rte_flow_item_ipv4> ipv4;
  Match<rte_flow_item_ipv6> ipv6;
  Match<rte_flow_item_udp> udp;
  Match<rte_flow_item_tcp> tcp;
  Match<rte_flow_item_vxlan> vxlan;

  Items() {
    std::memcpy(eth.spec.hdr.dst_addr.addr_bytes, kMac.data(), kMac.size());
    std::memset(eth.mask.hdr.dst_addr.addr_bytes, kAll, kMac.size());
    vlan.spec.hdr.vlan_tci = rte_cpu_to_be_16(100);
    vlan.mask.hdr.vlan_tci = rte_cpu_to_be_16(0x0fff);
    ipv4.spec.hdr.dst_addr = rte_cpu_to_be_32(0xc0000201);  // 192.0.2.1
    ipv4.mask.hdr.dst_addr = 0xffffffff;
    ipv6.spec.hdr.dst_addr[0] = 0x20, ipv6.spec.hdr.dst_addr[1] = 0x01;
    ipv6.spec.hdr.dst_addr[2] = 0x0d, ipv6.spec.hdr.dst_addr[3] = 0xb8;
    std::memset(ipv6.mask.hdr.dst_addr, kAll, sizeof ipv6.mask.hdr.dst_addr);
    udp.spec.hdr.dst_port = rte_cpu_to_be_16(4789);
    udp.mask.hdr.dst_port = 0xffff;
    tcp.spec.hdr.dst_port = rte_cpu_to_be_16(443);
    tcp.mask.hdr.dst_port = 0xffff;
    vxlan.spec.hdr.vx_vni = rte_cpu_to_be_32(100U << 8);
    vxlan.mask.hdr.vx_vni = rte_cpu_to_be_32(0xffffff00);
  }
};

template <typename Item>
rte_flow_item matching(rte_flow_item_type type, const Match<Item>& match) {
  return {.type = type, .spec = &match.spec, .last = nullptr, .mask = &match.mask};
}
rte_flow_item any(rte_flow_item_type type) {
  return {.type = type, .spec = nullptr, .last = nullptr, .mask = nullptr};
}

struct Pattern {
  const char* name;
  std::vector<rte_flow_item> items;
};

std::vector<Pattern> make_patterns(const Items& from) {
  const auto eth = any(RTE_FLOW_ITEM_TYPE_ETH), ipv4 = any(RTE_FLOW_ITEM_TYPE_IPV4);
  const auto ipv6 = any(RTE_FLOW_ITEM_TYPE_IPV6);
  const auto udp = matching(RTE_FLOW_ITEM_TYPE_UDP, from.udp), tcp = matching(RTE_FLOW_ITEM_TYPE_TCP, from.tcp);
  return {{"eth", {matching(RTE_FLOW_ITEM_TYPE_ETH, from.eth)}},
          {"eth / vlan", {eth, matching(RTE_FLOW_ITEM_TYPE_VLAN, from.vlan)}},
          {"eth / ipv4", {eth, matching(RTE_FLOW_ITEM_TYPE_IPV4, from.ipv4)}},
          {"eth / ipv6", {eth, matching(RTE_FLOW_ITEM_TYPE_IPV6, from.ipv6)}},
          {"eth / ipv4 / udp", {eth, ipv4, udp}},
          {"eth / ipv4 / tcp", {eth, ipv4, tcp}},
          {"eth / ipv6 / udp", {eth, ipv6, udp}},
          {"eth / ipv6 / tcp", {eth, ipv6, tcp}},
          {"eth / ipv4 / udp / vxlan",
           {eth, ipv4, any(RTE_FLOW_ITEM_TYPE_UDP), matching(RTE_FLOW_ITEM_TYPE_VXLAN, from.vxlan)}},
          {"eth / ipv4 / udp / vxlan / eth",
           {eth, ipv4, any(RTE_FLOW_ITEM_TYPE_UDP), matching(RTE_FLOW_ITEM_TYPE_VXLAN, from.vxlan), eth}}};
}

struct Action {
  const char* name;
  std::vector<rte_flow_action> actions;
};

json::object validate(std::uint16_t port, Pattern pattern, Action action) {
  pattern.items.push_back(any(RTE_FLOW_ITEM_TYPE_END));
  action.actions.push_back({.type = RTE_FLOW_ACTION_TYPE_END, .conf = nullptr});
  rte_flow_attr attributes{};
  attributes.ingress = 1;
  rte_flow_error error{};
  const bool valid = rte_flow_validate(port, &attributes, pattern.items.data(), action.actions.data(), &error) == 0;
  json::object rule{{"pattern", pattern.name}, {"action", action.name}, {"valid", valid}};
  if (!valid) rule["why"] = error.message != nullptr ? escape_line(error.message) : "the driver does not say";
  return rule;
}

}  // namespace

json::array validate_flows(std::uint16_t port) {
  const Items items;
  rte_flow_action_queue queue{};
  rte_flow_action_mark mark{};
  mark.id = 1;
  const rte_flow_action to_queue{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue};
  const rte_flow_action with_mark{.type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark};
  const std::array<Action, 3> actions = {Action{"queue", {to_queue}},
                                         Action{"drop", {{.type = RTE_FLOW_ACTION_TYPE_DROP, .conf = nullptr}}},
                                         Action{"mark", {with_mark, to_queue}}};
  json::array rules;
  for (const Pattern& pattern : make_patterns(items))
    for (const Action& action : actions) rules.push_back(validate(port, pattern, action));
  return rules;
}

}  // namespace barewire::dpdk
