// SPDX-License-Identifier: Apache-2.0
// An interface without an address cannot receive by IP. The filter keeps the pod's other traffic from waking the
// daemon.
#include "ipam/dhcp/packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "core/error.h"

namespace barewire::ipam::dhcp {

namespace {

constexpr std::size_t kLargest = 16384;

/// Lets through UDP to the client's port that is no fragment. Offsets are from the IP header, as the socket is one of
/// SOCK_DGRAM. Source: Documentation/networking/filter.rst.
void attach_filter(int fd) {
  std::array<sock_filter, 9> program = {{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),  // protocol
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),  // fragment offset
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 4, 0),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),  // size of the IP header
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),   // destination port
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kClientPort, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kLargest),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0)
    throw sys_error("filtering a packet socket");
}

sockaddr_ll address_of(int index, const MacAddress& mac) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETHERTYPE_IP);
  address.sll_ifindex = index;
  address.sll_halen = static_cast<unsigned char>(mac.bytes().size());
  std::memcpy(address.sll_addr, mac.data(), mac.bytes().size());
  return address;
}

constexpr std::array<std::uint8_t, 6> kEverybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

}  // namespace

PacketSocket::PacketSocket(const kernel::NetNs& netns, int index) : index_(index) {
  // Protocol 0 hears nothing until it is bound, when the filter is in place.
  netns.run([&] {
    fd_ = Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_) throw sys_error("opening a packet socket in {}", netns.path());
  });
  attach_filter(fd_.get());
  const sockaddr_ll address = address_of(index, MacAddress());
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw sys_error("binding a packet socket to interface number {} of {}", index, netns.path());
}

void PacketSocket::send(const Message& message, const std::optional<IpAddress>& server,
                        const std::optional<MacAddress>& mac) const {
  const IpAddress everybody = IpAddress::v4({255, 255, 255, 255});
  const Bytes packet = datagram_to_server(message.client, server.value_or(everybody), message.encode());
  const sockaddr_ll to = address_of(index_, mac.value_or(MacAddress(kEverybody)));
  if (::sendto(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
    throw sys_error("sending to the DHCP server");
}

std::optional<PacketSocket::Received> PacketSocket::receive() const {
  std::array<std::uint8_t, kLargest> buffer;
  for (;;) {
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    const ssize_t got =
        ::recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC, reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == ENETDOWN)) return std::nullopt;
    if (got < 0) throw sys_error("reading from a packet socket");
    const auto packet = std::span<const std::uint8_t>(buffer).first(
        std::min<std::size_t>(static_cast<std::size_t>(got), buffer.size()));
    const auto payload = payload_to_client(packet);
    auto message = payload ? Message::decode(*payload) : std::nullopt;
    // The filter looks at the port alone.
    if (!message) continue;
    std::array<std::uint8_t, 6> sender{};
    std::memcpy(sender.data(), from.sll_addr, sender.size());
    return Received{std::move(*message), MacAddress(sender)};
  }
}

}  // namespace barewire::ipam::dhcp
