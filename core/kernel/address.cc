// SPDX-License-Identifier: Apache-2.0
// Addresses; routes are in route.cc, rules and neighbours in neighbour_rule.cc.
#include "core/kernel/address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>

#include "core/kernel/attributes.h"
#include "core/kernel/link.h"

namespace barewire::kernel {

namespace {

ifaddrmsg address_header(int index, const IpPrefix& prefix) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<std::uint8_t>(prefix.address.family());
  header.ifa_prefixlen = prefix.length;
  header.ifa_index = static_cast<std::uint32_t>(index);
  return header;
}

std::uint8_t default_scope(const IpAddress& address) {
  // As ip-address(8) does: the kernel takes whatever scope it is told, also for 127.0.0.0/8.
  return address.is_v4() && address.is_loopback() ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
}

std::optional<AddressInfo> parse_address(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(ifaddrmsg)) return std::nullopt;
  ifaddrmsg header{};
  std::memcpy(&header, nlmsg_data(&message), sizeof header);
  const NlAttributes attributes(message, sizeof header);
  // With a peer, IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 without one has IFA_ADDRESS alone.
  const auto bytes = attributes.bytes(attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS);
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  AddressInfo info;
  info.index = static_cast<int>(header.ifa_index);
  info.prefix = {IpAddress::from_bytes(bytes.data(), bytes.size()), header.ifa_prefixlen};
  info.flags = attributes.value_or<std::uint32_t>(IFA_FLAGS, header.ifa_flags);
  info.scope = header.ifa_scope;
  return info;
}

/// The interface is looked up by its number only now, as its name is for the message alone.
[[noreturn]] void name_interface(const KernelError& error, NlSocket& socket, int index, const IpPrefix& prefix) {
  const auto link = find_link(socket, index);
  const std::string name = link ? link->name : fmt::format("interface number {}", index);
  // Source: net/ipv6/addrconf.c addrconf_add_dev. Older kernels give no reason beside the errno.
  const bool is_off = error.err() == EACCES && !prefix.address.is_v4();
  throw KernelError(
      error.err(), fmt::format("adding address {} to {} failed: {}", prefix.text(), name, std::strerror(error.err())),
      is_off ? fmt::format("IPv6 is switched off on {0}: sysctl net.ipv6.conf.{0}.disable_ipv6=0 switches it on, or "
                           "net.ipv6.conf.default.disable_ipv6=0 for interfaces made from then on",
                           name)
             : error.hint());
}

}  // namespace

std::vector<AddressInfo> list_addresses(NlSocket& socket, int index, int family) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<std::uint8_t>(family);
  header.ifa_index = static_cast<std::uint32_t>(index);  // strict checking makes the kernel filter by it
  NlMessage message(RTM_GETADDR, 0);
  message.header(header);
  std::vector<AddressInfo> addresses;
  auto keep = [&](const nlmsghdr& answer) {
    const auto info = parse_address(answer);
    const bool wanted =
        info && (index == 0 || info->index == index) && (!family || info->prefix.address.family() == family);
    if (wanted) addresses.push_back(*info);
  };
  socket.dump(std::move(message), "listing addresses", keep, {ENODEV});
  return addresses;
}

NlMessage address_message(int index, const IpPrefix& prefix, std::uint32_t flags, std::optional<std::uint8_t> scope) {
  ifaddrmsg header = address_header(index, prefix);
  header.ifa_scope = scope.value_or(default_scope(prefix.address));
  const IpAddress& address = prefix.address;
  NlMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  message.header(header).put(IFA_LOCAL, address.data(), address.size());
  message.put(IFA_ADDRESS, address.data(), address.size());
  // The kernel makes no broadcast address for one that comes by rtnetlink; links of /31 and /32 have none (RFC 3021).
  if (address.is_v4() && prefix.length < 31 && !address.is_loopback())
    message.put(IFA_BROADCAST, prefix.last().data(), address.size());
  if (flags != 0) message.put_u32(IFA_FLAGS, flags);
  return message;
}

void add_address(NlSocket& socket, int index, const IpPrefix& prefix, std::uint32_t flags,
                 std::optional<std::uint8_t> scope) {
  try {
    socket.request(address_message(index, prefix, flags, scope), "adding address " + prefix.text());
  } catch (const KernelError& error) {
    name_interface(error, socket, index, prefix);
  }
}

bool remove_address(NlSocket& socket, int index, const IpPrefix& prefix) {
  const IpAddress& address = prefix.address;
  NlMessage message(RTM_DELADDR, 0);
  message.header(address_header(index, prefix)).put(IFA_LOCAL, address.data(), address.size());
  message.put(IFA_ADDRESS, address.data(), address.size());
  // EADDRNOTAVAIL: the address is gone already. ENODEV: its interface is.
  return socket.request_unless(std::move(message),
                               fmt::format("removing address {} from interface number {}", prefix.text(), index),
                               {EADDRNOTAVAIL, ENODEV});
}

}  // namespace barewire::kernel
