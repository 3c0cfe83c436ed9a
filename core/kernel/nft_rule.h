// SPDX-License-Identifier: Apache-2.0
/// The parts nftables rules and set elements are made of: keys as the kernel holds them in registers, and the
/// expressions of a rule. core/kernel/nftables.h sends them. Values only, no I/O. Source:
/// include/uapi/linux/netfilter/nf_tables.h; nft(8) for what each expression means.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ip.h"
#include "core/kernel/netlink.h"

namespace barewire::kernel::nft {

/// Data types of set keys as nft(8) names them; the numbers let `nft list` print elements readably.
/// Source: enum datatypes in nftables' include/datatype.h.
enum class Type : std::uint32_t {
  ipv4_addr = 7,
  ipv6_addr = 8,
  ether_addr = 9,
  inet_proto = 12,
  inet_service = 13,
  ifname = 41
};
std::uint32_t size_of(Type type);  ///< bytes, without padding
/// The concatenation's number and its size with every part padded to a register of four bytes.
std::uint32_t type_number(const std::vector<Type>& types);
std::uint32_t padded_size(const std::vector<Type>& types);
inline Type address_type(const IpAddress& address) {
  return address.is_v4() ? Type::ipv4_addr : Type::ipv6_addr;
}

/// A key or datum of a set: one part, or a concatenation whose parts start at register borders.
class Key {
 public:
  Key& address(const IpAddress& value) { return part(value.data(), value.size()); }
  Key& mac(const MacAddress& value) { return part(value.data(), value.bytes().size()); }
  Key& protocol(std::uint8_t value) { return part(&value, sizeof value); }
  Key& port(std::uint16_t value);
  Key& interface_name(std::string_view name);
  /// As the kernel has it: a whole concatenation.
  static Key of_bytes(std::string bytes);
  /// A concatenation ends at a register border too; a key of one part is as long as its type.
  std::string bytes() const;

 private:
  Key& part(const void* data, std::size_t size);
  std::string bytes_;
  int parts_ = 0;
};

/// Register number `slot` of four bytes; an IPv6 address takes four of them, an interface name too.
constexpr std::uint32_t reg(std::uint32_t slot) {
  return 8 /* NFT_REG32_00 */ + slot;
}

/// A rule being written, expression by expression. A comparison that does not hold ends the rule without effect.
class Rule {
 public:
  /// `comment` is shown by `nft list`, at most 128 bytes.
  explicit Rule(std::string comment = {}) : comment_(std::move(comment)) {}

  Rule& meta(std::uint32_t key, std::uint32_t slot);  ///< NFT_META_*
  Rule& ct(std::uint32_t key, std::uint32_t slot);    ///< NFT_CT_*
  /// `length` bytes of the packet from `offset` of a header (NFT_PAYLOAD_*) into a register.
  Rule& payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, std::uint32_t slot);
  Rule& compare(std::uint32_t slot, bool equal, std::string_view bytes);  ///< the register with `bytes`
  Rule& mask(std::uint32_t slot, std::string_view mask);                  ///< keeps the bits of `mask`
  /// Goes on only when the key in the registers from `slot` is in the set, or (`in` false) is not.
  Rule& in_set(const std::string& set, std::uint32_t slot, bool in = true);
  /// Goes on only when the key is found; its datum is then in `to_slot`.
  Rule& map(const std::string& set, std::uint32_t slot, std::uint32_t to_slot);
  Rule& destination_is_local();  ///< fib daddr type local
  Rule& counter();               ///< packets and bytes, for people
  /// The new destination is in registers: a map has put it there.
  Rule& dnat(bool v4, std::uint32_t address_slot, std::uint32_t port_slot);
  Rule& masquerade();                    ///< after routing alone: hook postrouting
  Rule& accept();                        ///< final in this chain; other base chains still see the packet
  Rule& drop();                          ///< final in every chain
  Rule& jump(const std::string& chain);  ///< comes back where that decides nothing

  /// Common comparisons. `source`: the packet's source address, else its destination.
  Rule& family_is(bool v4);  ///< meta nfproto; for tables of family inet
  Rule& load_address(bool v4, bool source, std::uint32_t slot);
  Rule& address_in(const IpPrefix& prefix, bool source, bool equal = true);
  Rule& interface_is(bool incoming, const std::string& name, bool equal = true);
  Rule& ct_status_has(std::uint32_t bits);  ///< IPS_*

  bool jumps_to(const std::string& chain) const;
  const std::string& comment() const noexcept { return comment_; }
  void write(NlMessage& message) const;  ///< NFTA_RULE_EXPRESSIONS
  /// Appends the expressions of `other`.
  Rule& append(const Rule& other);

 private:
  using Fill = std::function<void(NlMessage&)>;
  Rule& expression(const char* name, Fill fill);  ///< `name` is the kernel's, as "cmp"
  Rule& verdict(int code, const std::string& chain = {});
  std::vector<std::pair<std::string, Fill>> expressions_;
  std::vector<std::string> jumps_;
  std::string comment_;
};

/// Bytes of a comment that are stored; what is longer is cut off. Source: libnftnl, NFTNL_UDATA_COMMENT_MAXLEN.
inline constexpr std::size_t kLongestComment = 127;
/// Whether `stored` is what became of `comment`.
inline bool is_comment(std::string_view stored, std::string_view comment) {
  return stored == comment.substr(0, kLongestComment);
}
/// A comment as nftables' tools store it: a type-length-value triple. Source: libnftnl udata.h.
std::string user_data(std::string_view comment);

}  // namespace barewire::kernel::nft
