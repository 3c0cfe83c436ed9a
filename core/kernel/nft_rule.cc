// SPDX-License-Identifier: Apache-2.0
// Expressions as the kernel takes them. The nft command must be able to print them all the same: an administrator looks
// with it.
#include "core/kernel/nft_rule.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>

namespace barewire::kernel::nft {

namespace {

constexpr std::size_t kRegisterSize = 4;
constexpr std::size_t round_up(std::size_t size) {
  return (size + kRegisterSize - 1) / kRegisterSize * kRegisterSize;
}

/// nftables writes its numbers in network byte order.
void put_be32(NlMessage& message, int attribute, std::uint32_t value) {
  message.put_u32(attribute, htonl(value));
}

void put_value(NlMessage& message, int attribute, const std::string& bytes) {
  message.nest(attribute, [&](NlMessage& data) { data.put(NFTA_DATA_VALUE, bytes.data(), bytes.size()); });
}

std::string bytes_of(const void* data, std::size_t size) {
  return {static_cast<const char*>(data), size};
}

std::string padded_name(std::string_view name) {
  // The kernel compares all of the register, so the rest has to be zero.
  std::string bytes(name.substr(0, IFNAMSIZ - 1));
  bytes.resize(IFNAMSIZ, '\0');
  return bytes;
}

/// `length` leading one bits in `size` bytes.
std::string prefix_mask(std::uint8_t length, std::size_t size) {
  std::string mask(size, '\0');
  for (std::size_t bit = 0; bit < length; ++bit)
    mask[bit / 8] = static_cast<char>(static_cast<unsigned char>(mask[bit / 8]) | (0x80U >> (bit % 8)));
  return mask;
}

}  // namespace

std::uint32_t size_of(Type type) {
  switch (type) {
    case Type::ipv4_addr:
      return 4;
    case Type::ipv6_addr:
      return 16;
    case Type::ether_addr:
      return 6;
    case Type::inet_proto:
      return 1;
    case Type::inet_service:
      return 2;
    case Type::ifname:
      return IFNAMSIZ;
  }
  return 0;
}

std::uint32_t type_number(const std::vector<Type>& types) {
  // As nftables packs them, or `nft list` cannot print the elements. Source: nftables' include/datatype.h, TYPE_BITS.
  constexpr int kTypeBits = 6;
  std::uint32_t number = 0;
  for (const Type type : types) number = (number << kTypeBits) | static_cast<std::uint32_t>(type);
  return number;
}

std::uint32_t padded_size(const std::vector<Type>& types) {
  if (types.size() == 1) return size_of(types.front());
  std::uint32_t size = 0;
  for (const Type type : types) size += static_cast<std::uint32_t>(round_up(size_of(type)));
  return size;
}

Key& Key::part(const void* data, std::size_t size) {
  // The part before ends at a register border, since another follows.
  bytes_.resize(round_up(bytes_.size()), '\0');
  bytes_.append(static_cast<const char*>(data), size);
  ++parts_;
  return *this;
}

std::string Key::bytes() const {
  std::string bytes = bytes_;
  // One part alone is as long as its type: the set's key has no padding then.
  if (parts_ > 1) bytes.resize(round_up(bytes.size()), '\0');
  return bytes;
}

// As if it were a concatenation: those come padded from the kernel, and bytes() then leaves them as they are.
Key Key::of_bytes(std::string bytes) {
  Key key;
  key.bytes_ = std::move(bytes);
  key.parts_ = 2;
  return key;
}

Key& Key::port(std::uint16_t value) {
  const std::uint16_t network_order = htons(value);
  return part(&network_order, sizeof network_order);
}

Key& Key::interface_name(std::string_view name) {
  const std::string bytes = padded_name(name);
  return part(bytes.data(), bytes.size());
}

Rule& Rule::expression(const char* name, Fill fill) {
  expressions_.emplace_back(name, std::move(fill));
  return *this;
}

Rule& Rule::append(const Rule& other) {
  expressions_.insert(expressions_.end(), other.expressions_.begin(), other.expressions_.end());
  jumps_.insert(jumps_.end(), other.jumps_.begin(), other.jumps_.end());
  return *this;
}

void Rule::write(NlMessage& message) const {
  message.nest(NFTA_RULE_EXPRESSIONS, [&](NlMessage& list) {
    for (const auto& expression : expressions_)  // clang before 16 lets no lambda capture a structured binding
      list.nest(NFTA_LIST_ELEM, [&](NlMessage& element) {
        element.put_string(NFTA_EXPR_NAME, expression.first);
        element.nest(NFTA_EXPR_DATA, expression.second);
      });
  });
}

Rule& Rule::meta(std::uint32_t key, std::uint32_t slot) {
  return expression("meta", [=](NlMessage& m) {
    put_be32(m, NFTA_META_DREG, reg(slot));
    put_be32(m, NFTA_META_KEY, key);
  });
}

Rule& Rule::ct(std::uint32_t key, std::uint32_t slot) {
  return expression("ct", [=](NlMessage& m) {
    put_be32(m, NFTA_CT_DREG, reg(slot));
    put_be32(m, NFTA_CT_KEY, key);
  });
}

Rule& Rule::payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, std::uint32_t slot) {
  return expression("payload", [=](NlMessage& m) {
    put_be32(m, NFTA_PAYLOAD_DREG, reg(slot));
    put_be32(m, NFTA_PAYLOAD_BASE, base);
    put_be32(m, NFTA_PAYLOAD_OFFSET, offset);
    put_be32(m, NFTA_PAYLOAD_LEN, length);
  });
}

Rule& Rule::compare(std::uint32_t slot, bool equal, std::string_view bytes) {
  return expression("cmp", [=, value = std::string(bytes)](NlMessage& m) {
    put_be32(m, NFTA_CMP_SREG, reg(slot));
    put_be32(m, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    put_value(m, NFTA_CMP_DATA, value);
  });
}

Rule& Rule::mask(std::uint32_t slot, std::string_view mask) {
  return expression("bitwise", [=, value = std::string(mask)](NlMessage& m) {
    put_be32(m, NFTA_BITWISE_SREG, reg(slot));
    put_be32(m, NFTA_BITWISE_DREG, reg(slot));
    put_be32(m, NFTA_BITWISE_LEN, static_cast<std::uint32_t>(value.size()));
    put_value(m, NFTA_BITWISE_MASK, value);
    // (value & mask) ^ xor is all that "bitwise" could do at first, so xor is always asked for.
    put_value(m, NFTA_BITWISE_XOR, std::string(value.size(), '\0'));
  });
}

Rule& Rule::in_set(const std::string& set, std::uint32_t slot, bool in) {
  return expression("lookup", [=](NlMessage& m) {
    m.put_string(NFTA_LOOKUP_SET, set);
    put_be32(m, NFTA_LOOKUP_SREG, reg(slot));
    if (!in) put_be32(m, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  });
}

Rule& Rule::map(const std::string& set, std::uint32_t slot, std::uint32_t to_slot) {
  return expression("lookup", [=](NlMessage& m) {
    m.put_string(NFTA_LOOKUP_SET, set);
    put_be32(m, NFTA_LOOKUP_SREG, reg(slot));
    put_be32(m, NFTA_LOOKUP_DREG, reg(to_slot));
  });
}

Rule& Rule::destination_is_local() {
  expression("fib", [](NlMessage& m) {
    put_be32(m, NFTA_FIB_DREG, reg(0));
    put_be32(m, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    put_be32(m, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
  });
  const std::uint32_t local = RTN_LOCAL;  // this one the kernel compares in host byte order
  return compare(0, true, bytes_of(&local, sizeof local));
}

Rule& Rule::counter() {
  return expression("counter", [](NlMessage& m) {
    const std::uint64_t zero = 0;
    m.put_u64(NFTA_COUNTER_BYTES, zero);
    m.put_u64(NFTA_COUNTER_PACKETS, zero);
  });
}

Rule& Rule::dnat(bool v4, std::uint32_t address_slot, std::uint32_t port_slot) {
  return expression("nat", [=](NlMessage& m) {
    put_be32(m, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    put_be32(m, NFTA_NAT_FAMILY, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    put_be32(m, NFTA_NAT_REG_ADDR_MIN, reg(address_slot));
    put_be32(m, NFTA_NAT_REG_PROTO_MIN, reg(port_slot));
  });
}

Rule& Rule::masquerade() {
  // Without attributes: the address of the interface that the packet leaves by, any port.
  return expression("masq", [](NlMessage&) {});
}

Rule& Rule::verdict(int code, const std::string& chain) {
  return expression("immediate", [=](NlMessage& m) {
    put_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    m.nest(NFTA_IMMEDIATE_DATA, [&](NlMessage& data) {
      data.nest(NFTA_DATA_VERDICT, [&](NlMessage& what) {
        put_be32(what, NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
        if (!chain.empty()) what.put_string(NFTA_VERDICT_CHAIN, chain);
      });
    });
  });
}

Rule& Rule::accept() {
  return verdict(NF_ACCEPT);
}
Rule& Rule::drop() {
  return verdict(NF_DROP);
}
Rule& Rule::jump(const std::string& chain) {
  jumps_.push_back(chain);
  return verdict(NFT_JUMP, chain);
}
bool Rule::jumps_to(const std::string& chain) const {
  return std::find(jumps_.begin(), jumps_.end(), chain) != jumps_.end();
}

Rule& Rule::family_is(bool v4) {
  const std::uint8_t family = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
  return meta(NFT_META_NFPROTO, 0).compare(0, true, bytes_of(&family, sizeof family));
}

Rule& Rule::load_address(bool v4, bool source, std::uint32_t slot) {
  // Offsets of the addresses in struct iphdr and struct ipv6hdr.
  const std::uint32_t offset = v4 ? (source ? 12 : 16) : (source ? 8 : 24);
  return payload(NFT_PAYLOAD_NETWORK_HEADER, offset, v4 ? 4 : 16, slot);
}

Rule& Rule::address_in(const IpPrefix& prefix, bool source, bool equal) {
  const IpAddress network = prefix.network().address;
  load_address(network.is_v4(), source, 0);
  // A whole address needs no mask, and nft prints it without one.
  if (prefix.length < network.size() * 8) mask(0, prefix_mask(prefix.length, network.size()));
  return compare(0, equal, bytes_of(network.data(), network.size()));
}

Rule& Rule::interface_is(bool incoming, const std::string& name, bool equal) {
  return meta(incoming ? NFT_META_IIFNAME : NFT_META_OIFNAME, 0).compare(0, equal, padded_name(name));
}

Rule& Rule::ct_status_has(std::uint32_t bits) {
  const std::uint32_t zero = 0;
  // The status is in host byte order in its register.
  return ct(NFT_CT_STATUS, 0).mask(0, bytes_of(&bits, sizeof bits)).compare(0, false, bytes_of(&zero, sizeof zero));
}

std::string user_data(std::string_view comment) {
  const std::string_view text = comment.substr(0, kLongestComment);
  std::string bytes;
  bytes.push_back('\0');  // the type number of a comment, of a rule, set element, chain and table alike
  bytes.push_back(static_cast<char>(text.size() + 1));
  bytes.append(text);
  bytes.push_back('\0');
  return bytes;
}

}  // namespace barewire::kernel::nft
