// SPDX-License-Identifier: Apache-2.0
#include "standard-plugins/common/links.h"

#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace barewire::standard {

using kernel::KernelError;
using kernel::Link;
using kernel::NlMessage;
using kernel::NlSocket;

namespace {

template <std::size_t Size>
std::array<std::uint8_t, Size> random_bytes() {
  std::array<std::uint8_t, Size> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw sys_error("reading random bytes");
  return bytes;
}

ifinfomsg header(int index = 0, unsigned flags = 0, unsigned change = 0) {
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = index;
  info.ifi_flags = flags;
  info.ifi_change = change;
  return info;
}

void put_mac(NlMessage& message, const MacAddress& mac) {
  message.put(IFLA_ADDRESS, mac.data(), mac.bytes().size());
}

/// The attribute `type` below `parent`, nullptr when missing.
const nlattr* find_in(const nlattr* parent, int type) {
  if (parent == nullptr) return nullptr;
  return nla_find(static_cast<const nlattr*>(nla_data(parent)), nla_len(parent), type & NLA_TYPE_MASK);
}

const nlattr* find_in(const nlmsghdr& header, int type) {
  return nlmsg_find_attr(const_cast<nlmsghdr*>(&header), sizeof(ifinfomsg), type);
}

NlMessage link_question(int index) {
  NlMessage message(RTM_GETLINK, 0);
  message.header(header(index));
  return message;
}

Link create_bridge(NlSocket& host, const BridgeSettings& settings) {
  NlMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  const unsigned flags = IFF_UP | (settings.promisc ? IFF_PROMISC : 0U);
  message.header(header(0, flags, flags)).put_string(IFLA_IFNAME, settings.name);
  // An address given by the user stays when ports come and go; the kernel's own choice would follow them.
  put_mac(message, random_mac());
  if (settings.mtu != 0) message.put_u32(IFLA_MTU, settings.mtu);
  message.nest(IFLA_LINKINFO, [&](NlMessage& info) {
    info.put_string(IFLA_INFO_KIND, "bridge");
    if (settings.vlan_filtering)
      info.nest(IFLA_INFO_DATA, [](NlMessage& data) { data.put_u8(IFLA_BR_VLAN_FILTERING, 1); });
  });
  try {
    host.request(std::move(message), "creating bridge " + settings.name);
  } catch (const KernelError& error) {
    if (error.err() != EEXIST) throw;  // another pod's ADD was faster
  }
  return kernel::get_link(host, settings.name);
}

void filter_vlans(NlSocket& host, const Link& bridge) {
  NlMessage message(RTM_NEWLINK, 0);
  message.header(header(bridge.index));
  message.nest(IFLA_LINKINFO, [](NlMessage& info) {
    info.put_string(IFLA_INFO_KIND, "bridge");
    info.nest(IFLA_INFO_DATA, [](NlMessage& data) { data.put_u8(IFLA_BR_VLAN_FILTERING, 1); });
  });
  host.request(std::move(message), "switching on VLAN filtering of " + bridge.name);
}

}  // namespace

std::string random_veth_name() {
  const auto bytes = random_bytes<4>();
  return fmt::format("veth{:02x}{:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

MacAddress random_mac() {
  auto bytes = random_bytes<6>();
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0xfcU) | 0x02U);
  return MacAddress(bytes);
}

void create_veth(NlSocket& host, const kernel::NetNs& netns, const VethPair& pair) {
  NlMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.header(header(0, IFF_UP, IFF_UP)).put_string(IFLA_IFNAME, pair.host_name);
  if (pair.mtu != 0) message.put_u32(IFLA_MTU, pair.mtu);
  if (pair.master != 0) message.put_u32(IFLA_MASTER, static_cast<std::uint32_t>(pair.master));
  message.nest(IFLA_LINKINFO, [&](NlMessage& info) {
    info.put_string(IFLA_INFO_KIND, "veth");
    info.nest(IFLA_INFO_DATA, [&](NlMessage& data) {
      data.nest(VETH_INFO_PEER, [&](NlMessage& peer) {
        peer.header(header()).put_string(IFLA_IFNAME, pair.container_name);
        peer.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns.fd()));
        if (pair.mtu != 0) peer.put_u32(IFLA_MTU, pair.mtu);
        if (pair.mac) put_mac(peer, *pair.mac);
      });
    });
  });
  host.request(std::move(message),
               fmt::format("creating {} in {} and its host end {}", pair.container_name, netns.path(), pair.host_name));
}

Link ensure_bridge(NlSocket& host, const BridgeSettings& settings) {
  const auto found = kernel::find_link(host, settings.name);
  const Link bridge = found ? *found : create_bridge(host, settings);
  if (bridge.kind != "bridge")
    throw Error(Error::Code::config,
                fmt::format("config key \"bridge\" is \"{}\"; expected the name of a bridge: {} exists and is {}",
                            settings.name, settings.name, bridge.kind.empty() ? "no virtual link" : bridge.kind));
  kernel::LinkChange change;
  if (!bridge.is_up()) change.up = true;
  if (settings.promisc && !bridge.is_promiscuous()) change.promisc = true;
  if (change.up || change.promisc) kernel::change_link(host, bridge.index, change, "setting up bridge " + bridge.name);
  if (found && settings.vlan_filtering && !vlan_filtering_of(host, bridge.index).value_or(false))
    filter_vlans(host, bridge);
  return bridge;
}

std::optional<bool> vlan_filtering_of(NlSocket& host, int index) {
  std::optional<bool> filtering;
  host.get(link_question(index), "reading a bridge", [&](const nlmsghdr& answer) {
    const nlattr* data = find_in(find_in(answer, IFLA_LINKINFO), IFLA_INFO_DATA);
    if (const nlattr* value = find_in(data, IFLA_BR_VLAN_FILTERING)) filtering = nla_get_u8(value) != 0;
  });
  return filtering;
}

void set_port(NlSocket& host, const Link& port, const PortSettings& settings) {
  NlMessage message(RTM_NEWLINK, 0);
  message.header(header(port.index));
  message.nest(IFLA_LINKINFO, [&](NlMessage& info) {
    info.put_string(IFLA_INFO_SLAVE_KIND, "bridge");
    info.nest(IFLA_INFO_SLAVE_DATA, [&](NlMessage& data) {
      if (settings.hairpin) data.put_u8(IFLA_BRPORT_MODE, 1);
      if (settings.isolated) data.put_u8(IFLA_BRPORT_ISOLATED, 1);
    });
  });
  host.request(std::move(message), fmt::format("setting hairpin mode or isolation of bridge port {}", port.name));
}

PortSettings port_of(NlSocket& host, const Link& port) {
  PortSettings settings;
  host.get(link_question(port.index), "reading bridge port " + port.name, [&](const nlmsghdr& answer) {
    const nlattr* data = find_in(find_in(answer, IFLA_LINKINFO), IFLA_INFO_SLAVE_DATA);
    if (const nlattr* value = find_in(data, IFLA_BRPORT_MODE)) settings.hairpin = nla_get_u8(value) != 0;
    if (const nlattr* value = find_in(data, IFLA_BRPORT_ISOLATED)) settings.isolated = nla_get_u8(value) != 0;
  });
  return settings;
}

namespace {

NlMessage vlan_message(int type, const Link& port, const std::vector<PortVlan>& vlans) {
  NlMessage message(type, 0);
  ifinfomsg info = header(port.index);
  info.ifi_family = AF_BRIDGE;
  message.header(info);
  message.nest(IFLA_AF_SPEC, [&](NlMessage& spec) {
    for (const PortVlan& vlan : vlans) {
      bridge_vlan_info entry{};
      entry.vid = vlan.id;
      if (vlan.untagged_pvid) entry.flags = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED;
      spec.put(IFLA_BRIDGE_VLAN_INFO, &entry, sizeof entry);
    }
  });
  return message;
}

/// The VLANs one link's IFLA_AF_SPEC lists.
std::vector<PortVlan> parse_vlans(const nlattr* spec) {
  std::vector<PortVlan> vlans;
  int remaining = nla_len(spec);
  for (auto* attribute = static_cast<nlattr*>(nla_data(spec)); nla_ok(attribute, remaining);
       attribute = nla_next(attribute, &remaining)) {
    if (nla_type(attribute) != IFLA_BRIDGE_VLAN_INFO) continue;
    bridge_vlan_info entry{};
    std::memcpy(&entry, nla_data(attribute), sizeof entry);
    vlans.push_back({entry.vid, (entry.flags & BRIDGE_VLAN_INFO_PVID) != 0});
  }
  std::sort(vlans.begin(), vlans.end());
  return vlans;
}

}  // namespace

void add_port_vlans(NlSocket& host, const Link& port, const std::vector<PortVlan>& vlans) {
  host.request(vlan_message(RTM_SETLINK, port, vlans), "setting VLANs of bridge port " + port.name);
}

void remove_port_vlan(NlSocket& host, const Link& port, std::uint16_t id) {
  host.request(vlan_message(RTM_DELLINK, port, {{id, false}}),
               fmt::format("removing VLAN {} from bridge port {}", id, port.name));
}

std::vector<PortVlan> port_vlans(NlSocket& host, int index) {
  // The kernel answers for single VLANs only in a dump of all ports.
  NlMessage message(RTM_GETLINK, 0);
  ifinfomsg info = header();
  info.ifi_family = AF_BRIDGE;
  message.header(info).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
  std::vector<PortVlan> vlans;
  host.dump(std::move(message), "reading VLANs of bridge ports", [&](const nlmsghdr& answer) {
    ifinfomsg link{};
    std::memcpy(&link, nlmsg_data(&answer), sizeof link);
    const nlattr* spec = find_in(answer, IFLA_AF_SPEC);
    if (link.ifi_index == index && spec != nullptr) vlans = parse_vlans(spec);
  });
  return vlans;
}

}  // namespace barewire::standard
