// SPDX-License-Identifier: Apache-2.0
// libnl's parsers want an array of pointers per nest; walking the bytes finds the few attributes that are wanted in a
// message of many kilobytes.
#include "core/kernel/attributes.h"

namespace barewire::kernel {

NlAttributes::NlAttributes(const void* data, std::size_t size) : data_(static_cast<const char*>(data)), size_(size) {}

NlAttributes::NlAttributes(const nlattr* nest) {
  if (nest == nullptr) return;
  data_ = static_cast<const char*>(nla_data(nest));
  size_ = static_cast<std::size_t>(nla_len(nest));
}

NlAttributes::NlAttributes(const nlmsghdr& message, std::size_t header_size) {
  const std::size_t skipped = NLMSG_HDRLEN + NLMSG_ALIGN(header_size);
  if (message.nlmsg_len <= skipped) return;
  data_ = reinterpret_cast<const char*>(&message) + skipped;
  size_ = message.nlmsg_len - skipped;
}

void NlAttributes::each(const std::function<void(const nlattr&)>& visit) const {
  int left = static_cast<int>(size_);
  auto* attribute = reinterpret_cast<const nlattr*>(data_);
  // nla_ok wants the whole of an attribute to lie in what is left, so a message that was cut short ends the walk.
  while (data_ != nullptr && nla_ok(attribute, left)) {
    visit(*attribute);
    attribute = nla_next(attribute, &left);
  }
}

const nlattr* NlAttributes::find(int type) const noexcept {
  int left = static_cast<int>(size_);
  auto* attribute = reinterpret_cast<const nlattr*>(data_);
  while (data_ != nullptr && nla_ok(attribute, left)) {
    if (nla_type(attribute) == type) return attribute;
    attribute = nla_next(attribute, &left);
  }
  return nullptr;
}

std::string_view NlAttributes::bytes(int type) const noexcept {
  const nlattr* attribute = find(type);
  return attribute == nullptr ? std::string_view() : attribute_bytes(*attribute);
}

std::string NlAttributes::text(int type) const {
  const nlattr* attribute = find(type);
  return attribute == nullptr ? std::string() : attribute_text(*attribute);
}

std::string_view attribute_bytes(const nlattr& attribute) noexcept {
  return {static_cast<const char*>(nla_data(&attribute)), static_cast<std::size_t>(nla_len(&attribute))};
}

std::string attribute_text(const nlattr& attribute) {
  // Not every text attribute ends in a NUL; where there is one, it ends the text.
  const std::string_view bytes = attribute_bytes(attribute);
  return std::string(bytes.substr(0, bytes.find('\0')));
}

}  // namespace barewire::kernel
