// SPDX-License-Identifier: Apache-2.0
/// IP addresses, prefixes and MAC addresses as values; no I/O, no names, nothing that blocks. Everything that reads a
/// configuration, a netlink message or a record speaks in these. Safe from any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace barewire {

/// An IPv4 or IPv6 address, in network byte order.
class IpAddress {
 public:
  IpAddress() = default;  ///< 0.0.0.0
  static IpAddress v4(const std::array<std::uint8_t, 4>& bytes);
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);
  /// Dotted quad or RFC 4291 text; an IPv4-mapped IPv6 address becomes IPv4, as in Go's net package. nullopt otherwise.
  static std::optional<IpAddress> parse(std::string_view text);
  /// `size` bytes at `data`: 4 or 16.
  static IpAddress from_bytes(const void* data, std::size_t size);

  bool is_v4() const noexcept { return v4_; }
  bool is_v6() const noexcept { return !v4_; }
  int family() const noexcept;                                ///< AF_INET or AF_INET6
  std::size_t size() const noexcept { return v4_ ? 4 : 16; }  ///< bytes
  const std::uint8_t* data() const noexcept { return bytes_.data(); }
  /// 0.0.0.0 or ::.
  bool is_unspecified() const noexcept;
  bool is_multicast() const noexcept;
  /// 127.0.0.0/8, ::1. Source: RFC 1122 §3.2.1.3, RFC 4291 §2.5.3.
  bool is_loopback() const noexcept;
  /// 169.254.0.0/16, fe80::/10. Source: RFC 3927, RFC 4291 §2.5.6.
  bool is_link_local() const noexcept;
  /// The address after, before this one; wraps round at the end of the family.
  IpAddress next() const noexcept;
  IpAddress previous() const noexcept;
  /// RFC 5952 text, and as Go writes it: "::a00:1", never "::10.0.0.1". The texts are names of files that peers read
  /// too.
  std::string text() const;

  /// IPv4 sorts before IPv6, then by number.
  friend auto operator<=>(const IpAddress& a, const IpAddress& b) noexcept {
    if (a.v4_ != b.v4_) return a.v4_ ? std::strong_ordering::less : std::strong_ordering::greater;
    return a.bytes_ <=> b.bytes_;
  }
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  ///< an IPv4 address takes the first four
  bool v4_ = true;
};

/// An address with a prefix length ("10.1.2.3/24"): host bits are kept.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;  ///< bits

  /// nullopt unless "ADDRESS/LENGTH" with a length the family allows.
  static std::optional<IpPrefix> parse(std::string_view text);
  /// Host bits cleared.
  IpPrefix network() const;
  /// The last address: broadcast in IPv4.
  IpAddress last() const;
  /// False for an address of the other family.
  bool contains(const IpAddress& other) const;
  bool overlaps(const IpPrefix& other) const;  ///< of two prefixes one holds the other, or they do not meet
  bool is_default() const noexcept { return length == 0; }  ///< 0.0.0.0/0, ::/0
  std::string text() const;
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

/// A 48-bit Ethernet address. (An InfiniBand address has 20 bytes; the kernel layer gives those as text only.)
class MacAddress {
 public:
  MacAddress() = default;                                                           ///< all zero
  explicit MacAddress(const std::array<std::uint8_t, 6>& bytes) : bytes_(bytes) {}  ///< in the order of the wire
  /// "aa:bb:cc:dd:ee:ff", "aa-bb-…" or "aabb.ccdd.eeff", any case, as Go's net.ParseMAC; nullopt otherwise.
  static std::optional<MacAddress> parse(std::string_view text);
  const std::uint8_t* data() const noexcept { return bytes_.data(); }
  const std::array<std::uint8_t, 6>& bytes() const noexcept { return bytes_; }
  /// 00:00:00:00:00:00: to a PF, "no address set"; to the kernel, an address no netdev can have.
  bool is_zero() const noexcept { return *this == MacAddress(); }
  /// The group bit, so broadcast too. Source: IEEE 802, the lowest bit of the first byte.
  bool is_multicast() const noexcept { return (bytes_[0] & 1) != 0; }
  std::string text() const;  ///< lower case, colons
  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;

 private:
  std::array<std::uint8_t, 6> bytes_{};
};

}  // namespace barewire
