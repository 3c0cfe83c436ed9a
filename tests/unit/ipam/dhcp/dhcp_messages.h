// SPDX-License-Identifier: Apache-2.0
/// What a DHCP server says, for the tests of the client.
#pragma once

#include "ipam/dhcp/client.h"

namespace barewire::test {

using namespace ipam::dhcp;

inline IpAddress v4(const char* text) {
  return IpAddress::parse(text).value();
}
inline const MacAddress kPodMac({2, 0, 0, 0, 0, 7});

inline Bytes be32(std::uint32_t number) {
  return {static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
          static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
}

/// An answer to `asked` from 10.0.0.1: 10.0.0.9/24 for `lease` seconds.
inline Message answer_to(const Message& asked, MessageType type, std::uint32_t lease = 100) {
  Message message;
  message.from_server = true;
  message.transaction = asked.transaction;
  message.hardware = asked.hardware;
  message.yours = v4("10.0.0.9");
  message.set_type(type);
  message.set_address(kServerIdentifier, v4("10.0.0.1"));
  message.set_address(kSubnetMask, v4("255.255.255.0"));
  message.options[kLeaseTime] = be32(lease);
  return message;
}

}  // namespace barewire::test
