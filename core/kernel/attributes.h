// SPDX-License-Identifier: Apache-2.0
/// Reading netlink attributes that came from the kernel: of links, routes, queues, rules, and of what a kind of link
/// has of its own, which plugins read themselves. netlink.h brings the messages. Source: rtnetlink(7);
/// Documentation/userspace-api/netlink/intro.rst.
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace barewire::kernel {

/// The attributes of one message or nest. Borrows the bytes. An attribute that is missing or too short for the type
/// asked for is nullopt: kernels add attributes and grow them, and never promise that one is there.
class NlAttributes {
 public:
  /// Those behind the family's fixed header of `header_size` bytes.
  NlAttributes(const nlmsghdr& message, std::size_t header_size);
  /// Those inside a nest; none when `nest` is nullptr.
  explicit NlAttributes(const nlattr* nest);
  /// Those in `size` bytes at `data`.
  NlAttributes(const void* data, std::size_t size);

  /// nullptr when there is none.
  const nlattr* find(int type) const noexcept;
  /// For flags, which have no value.
  bool has(int type) const noexcept { return find(type) != nullptr; }
  /// Without attributes where it is missing, so that a look further down finds nothing.
  NlAttributes nest(int type) const { return NlAttributes(find(type)); }
  /// Every attribute in order.
  /// A length that leads out of the message ends the walk: nothing behind it is read.
  void each(const std::function<void(const nlattr&)>& visit) const;

  /// A fixed-size value, such as std::uint32_t or ifla_vf_mac.
  template <typename Value>
  std::optional<Value> value(int type) const {
    return attribute_value<Value>(find(type));
  }
  template <typename Value>
  Value value_or(int type, Value fallback) const {
    return value<Value>(type).value_or(fallback);
  }
  /// Without its terminating NUL; empty when missing.
  std::string text(int type) const;
  /// The value as it is; empty when missing.
  std::string_view bytes(int type) const noexcept;

  /// Copied, since netlink aligns to four bytes and a value may want eight.
  template <typename Value>
  static std::optional<Value> attribute_value(const nlattr* attribute) {
    if (attribute == nullptr || static_cast<std::size_t>(nla_len(attribute)) < sizeof(Value)) return std::nullopt;
    Value value;
    std::memcpy(&value, nla_data(attribute), sizeof value);
    return value;
  }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Without its terminating NUL, if it has one.
std::string attribute_text(const nlattr& attribute);
std::string_view attribute_bytes(const nlattr& attribute) noexcept;

}  // namespace barewire::kernel
