// SPDX-License-Identifier: Apache-2.0
// Packets are made by hand: neither rtnetlink nor a sysctl sends them at the moment that an address becomes usable.
#include "core/kernel/announce.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "core/error.h"
#include "core/kernel/address.h"
#include "core/kernel/internet_checksum.h"

namespace barewire::kernel {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::array<std::uint8_t, 6> kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr std::array<std::uint8_t, 6> kAllNodesMac = {0x33, 0x33, 0, 0, 0, 1};  // RFC 2464 §7
constexpr std::array<std::uint8_t, 16> kAllNodes = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
// Next header, type, flag and option of RFC 4861 §4.4 and §4.6.1. Override: what a neighbour has cached is replaced.
constexpr std::uint8_t kIcmpV6 = 58;
constexpr std::uint8_t kNeighbourAdvertisement = 136;
constexpr std::uint8_t kOverride = 0x20;
constexpr std::uint8_t kTargetLinkLayerAddress = 2;

void append(Bytes& bytes, std::span<const std::uint8_t> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}
void append(Bytes& bytes, const IpAddress& address) {
  append(bytes, {address.data(), address.size()});
}

/// A request that asks for the address it comes from. Source: RFC 826, RFC 5227 §3.
Bytes arp_announcement(const MacAddress& mac, const IpAddress& address) {
  Bytes packet = {0, 1, 0x08, 0x00, 6, 4, 0, 1};  // Ethernet, IPv4, their sizes, request
  append(packet, mac.bytes());
  append(packet, address);
  append(packet, std::array<std::uint8_t, 6>{});
  append(packet, address);
  return packet;
}

/// Source: RFC 4861 §4.4, without its checksum.
Bytes advertisement(const MacAddress& mac, const IpAddress& address) {
  Bytes body = {kNeighbourAdvertisement, 0, 0, 0, kOverride, 0, 0, 0};
  append(body, address);
  body.push_back(kTargetLinkLayerAddress);
  body.push_back(1);  // in units of 8 bytes
  append(body, mac.bytes());
  return body;
}

Bytes unsolicited_advertisement(const MacAddress& mac, const IpAddress& address) {
  Bytes body = advertisement(mac, address);
  const auto size = static_cast<std::uint8_t>(body.size());
  Bytes pseudo_header;  // RFC 8200 §8.1
  append(pseudo_header, address);
  append(pseudo_header, kAllNodes);
  append(pseudo_header, std::array<std::uint8_t, 8>{0, 0, 0, size, 0, 0, 0, kIcmpV6});
  append(pseudo_header, body);
  const std::uint16_t sum = internet_checksum(pseudo_header);
  body[2] = static_cast<std::uint8_t>(sum >> 8);
  body[3] = static_cast<std::uint8_t>(sum & 0xff);
  // Hop limit 255 proves that no router has passed it on; receivers drop any other. Source: RFC 4861 §7.1.2.
  Bytes packet = {0x60, 0, 0, 0, 0, size, kIcmpV6, 255};
  append(packet, address);
  append(packet, kAllNodes);
  append(packet, body);
  return packet;
}

sockaddr_ll destination(int index, std::uint16_t protocol, const std::array<std::uint8_t, 6>& mac) {
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(protocol);
  to.sll_ifindex = index;
  to.sll_halen = static_cast<unsigned char>(mac.size());
  std::memcpy(to.sll_addr, mac.data(), mac.size());
  return to;
}

void send_announcement(int fd, int index, const MacAddress& mac, const IpAddress& address) {
  const Bytes packet = address.is_v4() ? arp_announcement(mac, address) : unsolicited_advertisement(mac, address);
  const sockaddr_ll to = address.is_v4() ? destination(index, ETHERTYPE_ARP, kBroadcast)
                                         : destination(index, ETHERTYPE_IPV6, kAllNodesMac);
  if (::sendto(fd, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
    throw sys_error("announcing {} on interface number {}", address.text(), index);
}

bool has_v6(const std::vector<IpAddress>& addresses) {
  return std::any_of(addresses.begin(), addresses.end(), [](const IpAddress& address) { return address.is_v6(); });
}

/// The IPv6 addresses that have passed duplicate address detection. An optimistic one is tentative too.
std::vector<IpAddress> own_addresses(NlSocket& socket, int index) {
  std::vector<IpAddress> own;
  for (const AddressInfo& info : list_addresses(socket, index, AF_INET6))
    if ((info.flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC | IFA_F_DADFAILED)) == 0) own.push_back(info.prefix.address);
  return own;
}

}  // namespace

void announce(NlSocket& socket, const NetNs& netns, int index, const MacAddress& mac,
              const std::vector<IpAddress>& addresses) {
  // Before the netns is entered: the question needs none, and nothing in there should take longer than it must.
  const std::vector<IpAddress> own = has_v6(addresses) ? own_addresses(socket, index) : std::vector<IpAddress>();
  Fd fd;
  // Protocol 0: this socket only sends, so nothing queues up on it.
  netns.run([&] {
    fd = Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) throw sys_error("opening a packet socket in {}", netns.path());
  });
  for (const IpAddress& address : addresses)
    if (address.is_v4() || std::find(own.begin(), own.end(), address) != own.end())
      send_announcement(fd.get(), index, mac, address);
}

}  // namespace barewire::kernel
