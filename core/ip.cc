// SPDX-License-Identifier: Apache-2.0
// inet_pton and inet_ntop do the reading and writing; what is here is what Go's net package does besides, since its
// results are what peers wrote.
#include "core/ip.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace barewire {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/// Byte `i` of the netmask of `length` bits.
std::uint8_t mask_byte(std::size_t i, std::uint8_t length) {
  const int bits = std::clamp(int{length} - static_cast<int>(8 * i), 0, 8);
  return static_cast<std::uint8_t>(0xff00 >> bits);
}

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

IpAddress IpAddress::v4(const std::array<std::uint8_t, 4>& bytes) {
  return from_bytes(bytes.data(), 4);
}
IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  return from_bytes(bytes.data(), 16);
}

IpAddress IpAddress::from_bytes(const void* data, std::size_t size) {
  IpAddress address;
  address.v4_ = size == 4;
  std::memcpy(address.bytes_.data(), data, std::min(size, address.bytes_.size()));
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  std::array<std::uint8_t, 16> bytes{};
  // Not inet_aton(), which takes "10.1" and octal numbers: another address than the one that Go, and a reader, sees.
  if (::inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) return from_bytes(bytes.data(), 4);
  if (::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) != 1) return std::nullopt;
  // ::ffff:10.0.0.1 is an IPv4 address to Go's net package, and so in the files of peers.
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) return from_bytes(bytes.data() + 12, 4);
  return from_bytes(bytes.data(), 16);
}

int IpAddress::family() const noexcept {
  return v4_ ? AF_INET : AF_INET6;
}

bool IpAddress::is_unspecified() const noexcept {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}
bool IpAddress::is_multicast() const noexcept {
  return v4_ ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}
bool IpAddress::is_loopback() const noexcept {
  if (v4_) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) && bytes_[15] == 1;
}
bool IpAddress::is_link_local() const noexcept {
  if (v4_) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

IpAddress IpAddress::next() const noexcept {
  IpAddress result = *this;
  // Carries from the last byte on; the last address is followed by the first.
  for (std::size_t i = size(); i-- > 0;)
    if (++result.bytes_[i] != 0) break;
  return result;
}

IpAddress IpAddress::previous() const noexcept {
  IpAddress result = *this;
  for (std::size_t i = size(); i-- > 0;)
    if (result.bytes_[i]-- != 0) break;
  return result;
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  const std::string text = ::inet_ntop(family(), bytes_.data(), buffer, sizeof buffer);
  // glibc writes ::a00:1 as ::10.0.0.1; Go, whose texts are file names we share, does not.
  if (v4_ || text.find('.') == std::string::npos || bytes_[10] != 0) return text;
  const auto word = [&](std::size_t i) { return bytes_[i] << 8 | bytes_[i + 1]; };
  return fmt::format("::{:x}:{:x}", word(12), word(14));
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  const bool whole = error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
  if (!address || !whole || length > address->size() * 8) return std::nullopt;
  return IpPrefix{*address, static_cast<std::uint8_t>(length)};
}

IpPrefix IpPrefix::network() const {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < address.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(address.data()[i] & mask_byte(i, length));
  return {IpAddress::from_bytes(bytes.data(), address.size()), length};
}

IpAddress IpPrefix::last() const {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < address.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(address.data()[i] | static_cast<std::uint8_t>(~mask_byte(i, length)));
  return IpAddress::from_bytes(bytes.data(), address.size());
}

bool IpPrefix::contains(const IpAddress& other) const {
  return other.is_v4() == address.is_v4() && IpPrefix{other, length}.network() == network();
}

bool IpPrefix::overlaps(const IpPrefix& other) const {
  // Subnets never overlap in part: the larger one holds every address of the smaller, so either's will do.
  return contains(other.address) || other.contains(address);
}

std::string IpPrefix::text() const {
  return fmt::format("{}/{}", address.text(), length);
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  // Three notations: 17 characters with ':' or '-' after each byte, 14 with '.' after every second byte.
  const bool dotted = text.size() == 14;
  if (!dotted && text.size() != 17) return std::nullopt;
  const char separator = dotted ? '.' : text[2];
  if (!dotted && separator != ':' && separator != '-') return std::nullopt;
  std::array<std::uint8_t, 6> bytes{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const bool separated = i > 0 && (!dotted || i % 2 == 0);
    if (separated && text[at++] != separator) return std::nullopt;
    const auto high = hex_digit(text[at]), low = hex_digit(text[at + 1]);
    if (!high || !low) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(*high * 16 + *low);
    at += 2;
  }
  return MacAddress(bytes);
}

std::string MacAddress::text() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes_[0], bytes_[1], bytes_[2], bytes_[3], bytes_[4],
                     bytes_[5]);
}

}  // namespace barewire
