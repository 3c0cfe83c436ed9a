// SPDX-License-Identifier: Apache-2.0
/// The checksum of IP, ICMPv6 and UDP, for packets that are put together here. Source: RFC 1071. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace barewire::kernel {

/// Of `bytes`; `sum` is what has been summed before, such as a pseudo header.
constexpr std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace barewire::kernel
