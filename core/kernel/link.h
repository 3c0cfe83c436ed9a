// SPDX-License-Identifier: Apache-2.0
/// Network interfaces of one netns through rtnetlink: reading, and changing one thing at a time or several in one
/// request. An interface is an ifindex; its name is only for messages. Works on a NlSocket opened in its netns.
#pragma once

#include <linux/if_link.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ip.h"
#include "core/kernel/netlink.h"

namespace barewire::kernel {

/// What the sysctls net.ipv4.conf.NAME.* and net.ipv6.conf.NAME.* of an interface say, as the kernel tells it with the
/// interface itself. nullopt: there is no such sysctl, as without IPv6. Source: IFLA_INET_CONF, IFLA_INET6_CONF.
struct LinkConf {
  std::optional<std::int32_t> arp_notify{};
  std::optional<std::int32_t> disable_ipv6{};
  std::optional<std::int32_t> accept_ra{};
  std::optional<std::int32_t> accept_dad{};
  std::optional<std::int32_t> enhanced_dad{};
  std::optional<std::int32_t> keep_addr_on_down{};
  std::optional<std::int32_t> ndisc_notify{};
};

/// An interface as the kernel describes it. Source: rtnetlink(7), include/uapi/linux/if_link.h.
struct Link {
  int index = 0;
  std::string name{};
  std::vector<std::string> alt_names{};
  std::string alias{};                   ///< IFLA_IFALIAS: user-writable, never the truth about anything
  std::string kind{};                    ///< IFLA_INFO_KIND: "veth", "bridge", …; empty for hardware
  std::optional<MacAddress> mac{};       ///< of Ethernet links
  std::optional<MacAddress> perm_mac{};  ///< IFLA_PERM_ADDRESS
  std::string hardware_address{};        ///< text of any length (InfiniBand: 20 bytes)
  std::uint16_t arp_type = 0;            ///< ARPHRD_*
  std::uint32_t mtu = 0;
  std::uint32_t flags = 0;  ///< IFF_*
  bool carrier = false;
  std::uint8_t oper_state = 0;  ///< IF_OPER_*
  int master = 0;               ///< ifindex, 0 = none
  int parent = 0;               ///< IFLA_LINK ifindex (veth peer, VLAN's parent), 0 = none
  std::uint32_t tx_queue_length = 0;
  std::uint32_t promiscuity = 0;  ///< count of users, IFLA_PROMISCUITY
  std::uint32_t allmulti = 0;     ///< count, IFLA_ALLMULTI; 0 on kernels before 6.0 unless the flag is set
  std::string parent_device{};    ///< IFLA_PARENT_DEV_NAME, e.g. PCI address "0000:01:10.0"
  std::string phys_port_name{};
  std::string phys_switch_id{};  ///< hex
  LinkConf conf{};

  bool is_up() const noexcept;           ///< IFF_UP
  bool is_loopback() const noexcept;     ///< IFF_LOOPBACK
  bool is_promiscuous() const noexcept;  ///< IFF_PROMISC asked for by an administrator
  bool is_allmulti() const noexcept;
};

/// nullopt when there is none. Alternative names match too in the kernel; the found link's `name` tells. Throws
/// KernelError for any other refusal, here and in what follows.
std::optional<Link> find_link(NlSocket& socket, const std::string& name);
std::optional<Link> find_link(NlSocket& socket, int index);
/// What one RTM_NEWLINK message says; what is malformed in it counts as absent.
Link parse_link(const nlmsghdr& message);
/// Throws Error{device} naming the link.
Link get_link(NlSocket& socket, const std::string& name);
/// Every link of the netns, of one moment, in no order to count on.
std::vector<Link> list_links(NlSocket& socket);

/// Several changes to one link, sent as one RTM_NEWLINK. The kernel makes them in its own order: netns, MAC, MTU, name,
/// alias, flags and master, queue length; a refusal leaves what came before it. A link must be down to be renamed on
/// kernels before 6.2. Source: net/core/rtnetlink.c do_setlink.
struct LinkChange {
  std::optional<std::string> name{};
  std::optional<MacAddress> mac{};
  std::optional<std::uint32_t> mtu{};
  std::optional<std::uint32_t> tx_queue_length{};
  std::optional<int> master{};  ///< 0 releases
  std::optional<bool> up{};
  std::optional<bool> promisc{};
  std::optional<bool> allmulti{};
  std::optional<std::string> alias{};  ///< empty removes
  std::optional<int> netns_fd{};       ///< move there; with `name`, under that name
};
/// `doing` completes "… failed" in an error: a participle and the link's name. Throws KernelError; no such link:
/// KernelError ENODEV.
void change_link(NlSocket& socket, int index, const LinkChange& change, std::string_view doing);

/// What set_up sends, for NlSocket::request_all.
NlMessage up_message(int index);

/// Each names the link and the change in its error. A link that is as it should be is no error.
void set_up(NlSocket& socket, const Link& link);
void set_down(NlSocket& socket, const Link& link);
void set_mac(NlSocket& socket, const Link& link, const MacAddress& mac);
void set_mtu(NlSocket& socket, const Link& link, std::uint32_t mtu);
/// Renames and moves in one request, so that no temporary name appears anywhere. The link goes down by moving. When the
/// kernel refuses, the link is where it was: the kernel itself moves first and names afterwards, so a name that is
/// taken in `target` is found beforehand (KernelError EEXIST), and a race lost against another taker is undone. Source:
/// net/core/rtnetlink.c do_setlink, net/core/dev.c __dev_change_net_namespace.
void move_link(NlSocket& socket, const Link& link, const NetNs& target, const std::string& new_name);
/// Throws KernelError: EEXIST for a name, or alternative name, that the netns has; EBUSY while up on kernels before
/// 6.2.
void rename_link(NlSocket& socket, const Link& link, const std::string& new_name);
/// A further name, which `ip link show NAME` finds. Since Linux 5.5. Source: ip-link(8), "property add".
void add_alt_name(NlSocket& socket, const Link& link, const std::string& name);
/// Harmless when the link has no such alternative name.
void remove_alt_name(NlSocket& socket, const Link& link, const std::string& name);
/// With a veth its peer goes, with a bridge nothing of its ports. False when it was already gone. A device that only
/// its driver can remove is EOPNOTSUPP (KernelError).
bool delete_link(NlSocket& socket, int index, std::string_view doing);

/// True once the link has a carrier; false after `timeout`, and at once when it is gone. Polls, since pods' links
/// settle in milliseconds.
bool wait_for_carrier(NlSocket& socket, int index, std::chrono::milliseconds timeout);

}  // namespace barewire::kernel
