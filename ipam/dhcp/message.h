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

/// The options this client looks at or sets. Source: RFC 2132, RFC 3397, RFC 3442.
enum Option : std::uint8_t {
  kSubnetMask = 1,
  kRouters = 3,
  kNameServers = 6,
  kHostName = 12,
  kDomainName = 15,
  kStaticRoutes = 33,
  kRequestedAddress = 50,
  kLeaseTime = 51,
  kOverload = 52,
  kMessageType = 53,
  kServerIdentifier = 54,
  kParameterRequestList = 55,
  kErrorText = 56,
  kMaximumSize = 57,
  kRenewalTime = 58,
  kRebindingTime = 59,
  kVendorClass = 60,
  kClientIdentifier = 61,
  kUserClass = 77,
  kDomainSearch = 119,
  kClasslessRoutes = 121
};

struct Message {
  bool from_server = false;       ///< op: BOOTREPLY
  std::uint32_t transaction = 0;  ///< xid
  std::uint16_t seconds = 0;      ///< since the client began
  bool broadcast = false;         ///< asks the server to broadcast its answer
  IpAddress client{}, yours{}, next_server{}, relay{};
  MacAddress hardware{};
  std::map<std::uint8_t, Bytes> options{};  ///< one value per code: parts of a long one are joined

  std::optional<MessageType> type() const;
  /// nullptr when the option is not there.
  const Bytes* find(std::uint8_t option) const;
  /// nullopt when absent, or not 4 bytes.
  std::optional<std::uint32_t> number(std::uint8_t option) const;
  std::optional<IpAddress> address(std::uint8_t option) const;  ///< the first one of a list too

  void set_type(MessageType type) { options[kMessageType] = {static_cast<std::uint8_t>(type)}; }
  void set_address(std::uint8_t option, const IpAddress& address);

  /// At least 300 bytes, as BOOTP relays want. An option longer than 255 bytes is split (RFC 3396).
  Bytes encode() const;
  /// nullopt for what is not a BOOTP message over Ethernet with the DHCP cookie, or has an option that does not fit.
  static std::optional<Message> decode(std::span<const std::uint8_t> bytes);
};

inline constexpr std::uint16_t kServerPort = 67;
inline constexpr std::uint16_t kClientPort = 68;

/// An IPv4 packet with `payload` from the client's port to the server's.
Bytes datagram_to_server(const IpAddress& from, const IpAddress& to, std::span<const std::uint8_t> payload);
/// What an IPv4 packet carries to the client's port. nullopt for any other packet, a fragment, a damaged header. The
/// UDP checksum is not looked at: between two interfaces of one kernel it is never filled in. Source: packet(7),
/// TP_STATUS_CSUMNOTREADY.
std::optional<std::span<const std::uint8_t>> payload_to_client(std::span<const std::uint8_t> packet);

}  // namespace barewire::ipam::dhcp
