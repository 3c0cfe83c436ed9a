// SPDX-License-Identifier: Apache-2.0
// Lengths in a message are the sender's; each is checked against what has arrived before it is believed.
#include "ipam/dhcp/message.h"

#include <algorithm>
#include <array>

#include "core/kernel/internet_checksum.h"

namespace barewire::ipam::dhcp {

namespace {

using View = std::span<const std::uint8_t>;

constexpr std::size_t kFixedSize = 236;  ///< before the cookie
constexpr std::size_t kServerNameAt = 44, kServerNameSize = 64, kFileAt = 108, kFileSize = 128;
// The size of a BOOTP message: relays and servers may drop shorter ones. Source: RFC 1542 §2.1.
constexpr std::size_t kSmallest = 300;
constexpr std::array<std::uint8_t, 4> kCookie = {99, 130, 83, 99};
constexpr std::uint8_t kPad = 0, kEnd = 255, kRequestOp = 1, kReplyOp = 2, kEthernet = 1, kUdp = 17,
                       kBroadcastFlag = 0x80;
constexpr std::size_t kIpHeader = 20, kUdpHeader = 8;

std::uint16_t number16(View bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
std::uint32_t number32(View bytes, std::size_t at) {
  return std::uint32_t{number16(bytes, at)} << 16 | number16(bytes, at + 2);
}
void put16(Bytes& bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value & 0xffff);
}
void put_address(Bytes& bytes, std::size_t at, const IpAddress& address) {
  std::copy_n(address.data(), 4, bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

/// False when an option reaches past the end of `field`.
bool read_options(View field, std::map<std::uint8_t, Bytes>& options) {
  for (std::size_t at = 0; at < field.size();) {
    const std::uint8_t code = field[at++];
    // The one option, with the end, that has no length.
    if (code == kPad) continue;
    if (code == kEnd) return true;
    if (at == field.size()) return false;
    const std::size_t size = field[at++];
    if (size > field.size() - at) return false;
    const View value = field.subspan(at, size);
    // An option that comes again goes on where it ended. Source: RFC 3396.
    options[code].insert(options[code].end(), value.begin(), value.end());
    at += size;
  }
  return true;
}

/// The options, then those that overflowed into the fields "file" and "sname". Source: RFC 2131 §4.1, RFC 3396 §5.
bool read_all_options(View bytes, std::map<std::uint8_t, Bytes>& options) {
  if (!read_options(bytes.subspan(kFixedSize + kCookie.size()), options)) return false;
  const auto overload = options.find(kOverload);
  if (overload == options.end()) return true;
  if (overload->second.size() != 1) return false;
  const int fields = overload->second[0];
  options.erase(overload);
  if ((fields & 1) != 0 && !read_options(bytes.subspan(kFileAt, kFileSize), options)) return false;
  return (fields & 2) == 0 || read_options(bytes.subspan(kServerNameAt, kServerNameSize), options);
}

/// In place of insert(): where gcc 12 knows the size before, that draws a wrong -Warray-bounds.
void append(Bytes& bytes, View more) {
  const auto end = static_cast<std::ptrdiff_t>(bytes.size());
  bytes.resize(bytes.size() + more.size());
  std::copy(more.begin(), more.end(), bytes.begin() + end);
}

void append_option(Bytes& bytes, std::uint8_t code, View value) {
  constexpr std::size_t kMost = 255;
  do {
    const View part = value.first(std::min(value.size(), kMost));
    bytes.push_back(code);
    bytes.push_back(static_cast<std::uint8_t>(part.size()));
    append(bytes, part);
    value = value.subspan(part.size());
  } while (!value.empty());
}

}  // namespace

std::optional<MessageType> Message::type() const {
  const Bytes* value = find(kMessageType);
  if (value == nullptr || value->size() != 1 || value->front() < 1 || value->front() > 8) return std::nullopt;
  return static_cast<MessageType>(value->front());
}

const Bytes* Message::find(std::uint8_t option) const {
  const auto found = options.find(option);
  return found == options.end() ? nullptr : &found->second;
}

std::optional<std::uint32_t> Message::number(std::uint8_t option) const {
  const Bytes* value = find(option);
  if (value == nullptr || value->size() != 4) return std::nullopt;
  return number32(*value, 0);
}

std::optional<IpAddress> Message::address(std::uint8_t option) const {
  const Bytes* value = find(option);
  if (value == nullptr || value->size() < 4) return std::nullopt;
  return IpAddress::from_bytes(value->data(), 4);
}

void Message::set_address(std::uint8_t option, const IpAddress& value) {
  options[option] = Bytes(value.data(), value.data() + value.size());
}

Bytes Message::encode() const {
  Bytes bytes(kFixedSize);
  bytes[0] = from_server ? kReplyOp : kRequestOp;
  bytes[1] = kEthernet;
  bytes[2] = static_cast<std::uint8_t>(hardware.bytes().size());
  put32(bytes, 4, transaction);
  put16(bytes, 8, seconds);
  bytes[10] = broadcast ? kBroadcastFlag : 0;
  put_address(bytes, 12, client);
  put_address(bytes, 16, yours);
  put_address(bytes, 20, next_server);
  put_address(bytes, 24, relay);
  std::copy_n(hardware.data(), hardware.bytes().size(), bytes.begin() + 28);
  append(bytes, kCookie);
  // Servers look for the type first.
  if (const Bytes* first = find(kMessageType)) append_option(bytes, kMessageType, *first);
  for (const auto& [code, value] : options)
    if (code != kMessageType) append_option(bytes, code, value);
  bytes.push_back(kEnd);
  if (bytes.size() < kSmallest) bytes.resize(kSmallest);
  return bytes;
}

std::optional<Message> Message::decode(View bytes) {
  if (bytes.size() < kFixedSize + kCookie.size()) return std::nullopt;
  if (bytes[0] != kRequestOp && bytes[0] != kReplyOp) return std::nullopt;
  if (bytes[1] != kEthernet || bytes[2] != 6) return std::nullopt;
  if (!std::equal(kCookie.begin(), kCookie.end(), bytes.begin() + kFixedSize)) return std::nullopt;
  Message message;
  message.from_server = bytes[0] == kReplyOp;
  message.transaction = number32(bytes, 4);
  message.seconds = number16(bytes, 8);
  message.broadcast = (bytes[10] & kBroadcastFlag) != 0;
  message.client = IpAddress::from_bytes(&bytes[12], 4);
  message.yours = IpAddress::from_bytes(&bytes[16], 4);
  message.next_server = IpAddress::from_bytes(&bytes[20], 4);
  message.relay = IpAddress::from_bytes(&bytes[24], 4);
  message.hardware = MacAddress({bytes[28], bytes[29], bytes[30], bytes[31], bytes[32], bytes[33]});
  if (!read_all_options(bytes, message.options)) return std::nullopt;
  return message;
}

Bytes datagram_to_server(const IpAddress& from, const IpAddress& to, View payload) {
  constexpr std::uint8_t kVersionAndSize = 0x45, kHops = 64;
  Bytes packet(kIpHeader + kUdpHeader);
  packet[0] = kVersionAndSize;
  put16(packet, 2, packet.size() + payload.size());
  packet[8] = kHops;
  packet[9] = kUdp;
  put_address(packet, 12, from);
  put_address(packet, 16, to);
  put16(packet, 10, kernel::internet_checksum(View(packet).first(kIpHeader)));
  put16(packet, kIpHeader, kClientPort);
  put16(packet, kIpHeader + 2, kServerPort);
  put16(packet, kIpHeader + 4, kUdpHeader + payload.size());
  append(packet, payload);
  // Over the pseudo header too: the addresses, which lie before the UDP header, its protocol and size.
  const auto pseudo = static_cast<std::uint32_t>(kUdp + kUdpHeader + payload.size());
  const std::uint16_t sum = kernel::internet_checksum(View(packet).subspan(12), pseudo);
  // 0 would say that there is no checksum. Source: RFC 768.
  put16(packet, kIpHeader + 6, sum == 0 ? 0xffff : sum);
  return packet;
}

std::optional<View> payload_to_client(View packet) {
  constexpr int kVersion = 4, kFragment = 0x3fff;
  if (packet.size() < kIpHeader || packet[0] >> 4 != kVersion || packet[9] != kUdp) return std::nullopt;
  const std::size_t header = std::size_t{packet[0] & 0xfU} * 4, size = number16(packet, 2);
  if (header < kIpHeader || size < header + kUdpHeader || size > packet.size()) return std::nullopt;
  // A packet socket sees fragments as they come; they are not put together here.
  if ((number16(packet, 6) & kFragment) != 0 || kernel::internet_checksum(packet.first(header)) != 0)
    return std::nullopt;
  const View udp = packet.first(size).subspan(header);
  if (number16(udp, 2) != kClientPort) return std::nullopt;
  const std::size_t length = number16(udp, 4);
  if (length < kUdpHeader || length > udp.size()) return std::nullopt;
  return udp.first(length).subspan(kUdpHeader);
}

}  // namespace barewire::ipam::dhcp
