// SPDX-License-Identifier: Apache-2.0
/// DHCPv4 messages as values, their bytes, and the IPv4/UDP datagrams that carry them; no I/O. client.h sends them.
/// Source: RFC 2131 §2, RFC 2132, RFC 3396 (long options), RFC 768, RFC 791.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ip.h"

namespace barewire::ipam::dhcp {

using Bytes = std::vector<std::uint8_t>;

enum class MessageType : std::uint8_t {
  discover = 1,
  offer = 2,
  request = 3,
  decline = 4,
  ack = 5,
  nak = 6,
  release = 7,
  inform = 8
};

/// The options this client looks at or sets; sections are of RFC 2132 where no other RFC is named.
enum Option : std::uint8_t {
  kSubnetMask = 1,             ///< §3.3
  kRouters = 3,                ///< §3.5, the preferred one first
  kNameServers = 6,            ///< §3.8
  kHostName = 12,              ///< §3.14
  kDomainName = 15,            ///< §3.17
  kStaticRoutes = 33,          ///< §5.8, pairs without a mask: classful
  kRequestedAddress = 50,      ///< §9.1
  kLeaseTime = 51,             ///< §9.2, seconds
  kOverload = 52,              ///< §9.3: options go on in file, sname or both
  kMessageType = 53,           ///< §9.6
  kServerIdentifier = 54,      ///< §9.7, an address
  kParameterRequestList = 55,  ///< §9.8, codes
  kErrorText = 56,             ///< §9.9, of a NAK
  kMaximumSize = 57,           ///< §9.10, bytes
  kRenewalTime = 58,           ///< §9.11, T1, seconds
  kRebindingTime = 59,         ///< §9.12, T2, seconds
  kVendorClass = 60,           ///< §9.13
  kClientIdentifier = 61,      ///< §9.14
  kUserClass = 77,             ///< RFC 3004
  kDomainSearch = 119,         ///< RFC 3397
  kClasslessRoutes = 121       ///< RFC 3442; sets aside options 3 and 33
};

/// As it is on the wire, but for what this client never needs: hops, server name, file name.
struct Message {
  bool from_server = false;       ///< op: BOOTREPLY
  std::uint32_t transaction = 0;  ///< xid
  std::uint16_t seconds = 0;      ///< since the client began
  bool broadcast = false;         ///< asks the server to broadcast its answer
  IpAddress client{}, yours{}, next_server{}, relay{};
  MacAddress hardware{};
  std::map<std::uint8_t, Bytes> options{};  ///< one value per code: parts of a long one are joined

  /// nullopt for a BOOTP message without one, which is not DHCP.
  std::optional<MessageType> type() const;
  /// nullptr when the option is not there.
  const Bytes* find(std::uint8_t option) const;
  /// nullopt when absent, or not 4 bytes.
  std::optional<std::uint32_t> number(std::uint8_t option) const;
  std::optional<IpAddress> address(std::uint8_t option) const;  ///< the first one of a list too

  void set_type(MessageType type) { options[kMessageType] = {static_cast<std::uint8_t>(type)}; }
  /// Takes the place of what was there.
  void set_address(std::uint8_t option, const IpAddress& address);

  /// At least 300 bytes, as BOOTP relays want. An option longer than 255 bytes is split (RFC 3396).
  Bytes encode() const;
  /// nullopt for what is not a BOOTP message over Ethernet with the DHCP cookie, or has an option that does not fit.
  static std::optional<Message> decode(std::span<const std::uint8_t> bytes);
};

/// Source: RFC 2131 §4.1.
inline constexpr std::uint16_t kServerPort = 67;
inline constexpr std::uint16_t kClientPort = 68;

/// An IPv4 packet with `payload` from the client's port to the server's.
Bytes datagram_to_server(const IpAddress& from, const IpAddress& to, std::span<const std::uint8_t> payload);
/// What an IPv4 packet carries to the client's port. nullopt for any other packet, a fragment, a damaged header. The
/// UDP checksum is not looked at: between two interfaces of one kernel it is never filled in. Source: packet(7),
/// TP_STATUS_CSUMNOTREADY.
std::optional<std::span<const std::uint8_t>> payload_to_client(std::span<const std::uint8_t> packet);

}  // namespace barewire::ipam::dhcp
