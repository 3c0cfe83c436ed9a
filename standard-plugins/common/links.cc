// SPDX-License-Identifier: Apache-2.0
// Links of a pod are found by ifindex, since the pod may have renamed them.
#include "standard-plugins/common/links.h"

#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/fd.h"
#include "core/kernel/attributes.h"
#include "core/kernel/new_link.h"
#include "core/kernel/sysfs.h"
#include "standard-plugins/common/pod_veth.h"

namespace barewire::standard {

using kernel::KernelError;
using kernel::Link;
using kernel::NlAttributes;
using kernel::NlMessage;
using kernel::NlSocket;

namespace {

constexpr const char* kKind = "bridge";

template <std::size_t Size>
std::array<std::uint8_t, Size> random_bytes() {
  std::array<std::uint8_t, Size> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw sys_error("reading random bytes");
  return bytes;
}

void put_filtering(NlMessage& data) {
  data.put_u8(IFLA_BR_VLAN_FILTERING, 1);
}

/// A kernel without VLAN filtering says no more than EOPNOTSUPP. Source: net/bridge/br_netlink.c, br_private.h
/// (CONFIG_BRIDGE_VLAN_FILTERING).
[[noreturn]] void explain_lack_of_filtering(const KernelError& error) {
  if (error.err() != EOPNOTSUPP) throw error;
  throw KernelError(error.err(), error.what(),
                    "this kernel's bridges do not filter VLANs (CONFIG_BRIDGE_VLAN_FILTERING), which \"vlan\" and "
                    "\"vlanTrunk\" need: take another kernel, a bridge per VLAN, or ovs");
}

void create_bridge(NlSocket& host, const BridgeSettings& settings) {
  kernel::NewLink link;
  link.name = settings.name;
  // An address that was asked for stays when ports come and go; the kernel's own choice would follow them.
  link.mac = random_mac();
  if (settings.mtu != 0) link.mtu = settings.mtu;
  link.up = true;
  try {
    kernel::create_link(host, kKind, link, [&](NlMessage& data) {
      if (settings.vlan_filtering) put_filtering(data);
    });
  } catch (const KernelError& error) {
    if (error.err() == EEXIST) return;  // another pod's ADD was faster
    if (settings.vlan_filtering) explain_lack_of_filtering(error);
    throw;
  }
}

/// Whether the bridge's address changes with its ports, and neighbours lose the node by that. One that was set stays,
/// and is not set again: that would clear the neighbour table. Source: sysfs-class-net, addr_assign_type, NET_ADDR_SET;
/// net/bridge/br_stp_if.c br_stp_recalculate_bridge_id.
bool follows_its_ports(const Link& bridge) {
  constexpr char kSet = '3';
  const auto type = kernel::Sysfs("/sys").read(fmt::format("class/net/{}/addr_assign_type", bridge.name));
  return bridge.mac && !bridge.mac->is_zero() && !(type && type->starts_with(kSet));
}

void filter_vlans(NlSocket& host, const Link& bridge) {
  if (vlan_filtering_of(host, bridge.index).value_or(false)) return;
  try {
    kernel::change_link_data(host, bridge.index, kKind, "switching on VLAN filtering of " + bridge.name, put_filtering);
  } catch (const KernelError& error) {
    explain_lack_of_filtering(error);
  }
}

Link find_or_create(NlSocket& host, const BridgeSettings& settings, bool& created) {
  if (const auto found = kernel::find_link(host, settings.name)) return *found;
  created = true;
  create_bridge(host, settings);
  return kernel::get_link(host, settings.name);
}

}  // namespace

std::string random_veth_name() {
  const auto bytes = random_bytes<4>();
  return fmt::format("veth{:02x}{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

MacAddress random_mac() {
  auto bytes = random_bytes<6>();
  // Unicast and locally administered. Source: IEEE 802, the I/G and U/L bits of an address.
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0xfcU) | 0x02U);
  return MacAddress(bytes);
}

Link ensure_bridge(NlSocket& host, const BridgeSettings& settings) {
  bool created = false;
  const Link bridge = find_or_create(host, settings, created);
  if (bridge.kind != kKind)
    throw Error(Error::Code::config,
                fmt::format("config key \"bridge\" is \"{}\"; expected the name of a bridge: {} exists and is {}",
                            settings.name, settings.name, bridge.kind.empty() ? "no virtual link" : bridge.kind));
  kernel::LinkChange change;
  // Setting the address it has pins it there.
  if (!created && follows_its_ports(bridge)) change.mac = bridge.mac;
  if (!bridge.is_up()) change.up = true;
  if (settings.promisc && !bridge.is_promiscuous()) change.promisc = true;
  if (change.mac || change.up || change.promisc)
    kernel::change_link(host, bridge.index, change, "setting up bridge " + bridge.name);
  if (!created && settings.vlan_filtering) filter_vlans(host, bridge);
  // A pod could otherwise give the node a default route by a router advertisement.
  ignore_router_advertisements(bridge);
  return bridge;
}

std::optional<bool> vlan_filtering_of(NlSocket& host, int index) {
  std::optional<std::uint8_t> filtering;
  kernel::read_link_data(host, index, kKind, [&](const NlAttributes& data) {
    filtering = data.value<std::uint8_t>(IFLA_BR_VLAN_FILTERING);
  });
  if (!filtering) return std::nullopt;
  return *filtering != 0;
}

void set_port(NlSocket& host, const Link& port, const PortSettings& settings) {
  ifinfomsg header{};
  header.ifi_index = port.index;
  NlMessage message(RTM_NEWLINK, 0);
  message.header(header).nest(IFLA_LINKINFO, [&](NlMessage& info) {
    info.put_string(IFLA_INFO_SLAVE_KIND, kKind);
    info.nest(IFLA_INFO_SLAVE_DATA, [&](NlMessage& data) {
      // Only what is asked for: an older kernel refuses an attribute that it does not know.
      if (settings.hairpin) data.put_u8(IFLA_BRPORT_MODE, 1);
      if (settings.isolated) data.put_u8(IFLA_BRPORT_ISOLATED, 1);
    });
  });
  host.request(std::move(message), fmt::format("setting hairpin mode or isolation of bridge port {}", port.name));
}

PortSettings port_of(NlSocket& host, const Link& port) {
  PortSettings settings;
  kernel::read_port_data(host, port.index, kKind, [&](const NlAttributes& data) {
    settings.hairpin = data.value_or<std::uint8_t>(IFLA_BRPORT_MODE, 0) != 0;
    settings.isolated = data.value_or<std::uint8_t>(IFLA_BRPORT_ISOLATED, 0) != 0;
  });
  return settings;
}

namespace {

void put_vlan(NlMessage& spec, std::uint16_t id, unsigned flags) {
  bridge_vlan_info entry{};
  entry.vid = id;
  entry.flags = static_cast<std::uint16_t>(flags);
  spec.put(IFLA_BRIDGE_VLAN_INFO, &entry, sizeof entry);
}

/// Neighbouring tagged VLANs travel as ranges, so that a trunk of all of them fits one message.
void put_vlans(NlMessage& spec, const std::vector<PortVlan>& vlans) {
  for (std::size_t i = 0; i < vlans.size(); ++i) {
    if (vlans[i].untagged_pvid) {
      put_vlan(spec, vlans[i].id, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
      continue;
    }
    std::size_t last = i;
    while (last + 1 < vlans.size() && !vlans[last + 1].untagged_pvid && vlans[last + 1].id == vlans[last].id + 1)
      ++last;
    put_vlan(spec, vlans[i].id, last == i ? 0U : BRIDGE_VLAN_INFO_RANGE_BEGIN);
    if (last != i) put_vlan(spec, vlans[last].id, BRIDGE_VLAN_INFO_RANGE_END);
    i = last;
  }
}

NlMessage vlan_message(int type, int index, const std::vector<PortVlan>& vlans) {
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = index;
  NlMessage message(type, 0);
  message.header(header).nest(IFLA_AF_SPEC, [&](NlMessage& spec) { put_vlans(spec, vlans); });
  return message;
}

std::vector<PortVlan> parse_vlans(const NlAttributes& spec) {
  std::vector<PortVlan> vlans;
  spec.each([&](const nlattr& attribute) {
    if (nla_type(&attribute) != IFLA_BRIDGE_VLAN_INFO) return;
    if (const auto entry = NlAttributes::attribute_value<bridge_vlan_info>(&attribute))
      vlans.push_back({entry->vid, (entry->flags & BRIDGE_VLAN_INFO_PVID) != 0});
  });
  std::sort(vlans.begin(), vlans.end());
  return vlans;
}

}  // namespace

void add_port_vlans(NlSocket& host, const Link& port, const std::vector<PortVlan>& vlans) {
  host.request(vlan_message(RTM_SETLINK, port.index, vlans), "setting VLANs of bridge port " + port.name);
}

void remove_port_vlan(NlSocket& host, const Link& port, std::uint16_t id) {
  host.request(vlan_message(RTM_DELLINK, port.index, {{id, false}}),
               fmt::format("removing VLAN {} from bridge port {}", id, port.name));
}

std::vector<PortVlan> port_vlans(NlSocket& host, int index) {
  // The kernel answers for single VLANs only in a dump of all ports.
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  NlMessage message(RTM_GETLINK, 0);
  message.header(header).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
  std::vector<PortVlan> vlans;
  host.dump(std::move(message), "reading VLANs of bridge ports", [&](const nlmsghdr& answer) {
    ifinfomsg link{};
    std::memcpy(&link, nlmsg_data(&answer), sizeof link);
    const NlAttributes attributes(answer, sizeof link);
    if (link.ifi_index == index && attributes.has(IFLA_AF_SPEC)) vlans = parse_vlans(attributes.nest(IFLA_AF_SPEC));
  });
  return vlans;
}

}  // namespace barewire::standard
