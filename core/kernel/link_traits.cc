// SPDX-License-Identifier: Apache-2.0
// One RTM_GETLINK read attribute by attribute, and what it takes to set each of them back.
#include "core/kernel/link_traits.h"

#include <linux/bpf.h>
#include <linux/if.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "core/fd.h"
#include "core/kernel/attributes.h"
#include "core/log.h"

namespace barewire::kernel {

namespace {

// What a user may set and nothing else resets. IFF_UP, PROMISC and ALLMULTI are link.h's; the rest are the kernel's
// own.
constexpr std::uint32_t kKeptFlags =
    IFF_DEBUG | IFF_NOTRAILERS | IFF_NOARP | IFF_DYNAMIC | IFF_MULTICAST | IFF_PORTSEL | IFF_AUTOMEDIA;

struct Number {
  const char* name;
  int attribute;
};
/// In the order they are set: the sizes of IPv4 follow the general ones. Those of Linux 6.3 are new to the headers.
constexpr std::array kNumbers{Number{"group", IFLA_GROUP},
                              Number{"gso_max_size", IFLA_GSO_MAX_SIZE},
                              Number{"gso_max_segs", IFLA_GSO_MAX_SEGS},
                              Number{"gro_max_size", IFLA_GRO_MAX_SIZE},
                              Number{"gso_ipv4_max_size", 63},
                              Number{"gro_ipv4_max_size", 64}};

struct Mode {
  const char* name;
  int attribute;
  std::uint32_t flag;
};
constexpr std::array kModes{Mode{"driver", IFLA_XDP_DRV_PROG_ID, XDP_FLAGS_DRV_MODE},
                            Mode{"generic", IFLA_XDP_SKB_PROG_ID, XDP_FLAGS_SKB_MODE},
                            Mode{"hardware", IFLA_XDP_HW_PROG_ID, XDP_FLAGS_HW_MODE}};

ifinfomsg header_of(int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  return header;
}

LinkTraits parse_traits(const nlmsghdr& message) {
  ifinfomsg header{};
  std::memcpy(&header, nlmsg_data(&message), sizeof header);
  const NlAttributes attributes(message, sizeof header);
  LinkTraits traits;
  traits.flags = header.ifi_flags & kKeptFlags;
  for (const Number& number : kNumbers)
    if (const auto value = attributes.value<std::uint32_t>(number.attribute)) traits.numbers[number.name] = *value;
  traits.broadcast = attributes.bytes(IFLA_BROADCAST);
  const NlAttributes xdp = attributes.nest(IFLA_XDP);
  for (const Mode& mode : kModes)
    if (const auto id = xdp.value<std::uint32_t>(mode.attribute); id && *id != 0) traits.programs[mode.name] = *id;
  return traits;
}

// How many programs are at one end of tc; none before Linux 6.6. The index is looked up in the netns of the calling
// thread, unlike everything else here. Any failure counts as none: without CAP_NET_ADMIN nothing is told. Source:
// include/uapi/linux/bpf.h, BPF_PROG_QUERY.
std::uint32_t count_tcx(int index, std::uint32_t end) {
  bpf_attr query{};
  query.query.target_fd = static_cast<std::uint32_t>(index);
  query.query.attach_type = end;
  return ::syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query.query) == 0 ? query.query.prog_cnt : 0;
}

std::uint32_t count_tcx(int index) {
  constexpr std::uint32_t kTcxIngress = 46, kTcxEgress = 47;  // enum bpf_attach_type
  return count_tcx(index, kTcxIngress) + count_tcx(index, kTcxEgress);
}

NlMessage change_of(const Link& link) {
  NlMessage message(RTM_NEWLINK, 0);
  message.header(header_of(link.index));
  return message;
}

/// What is refused shows on the next look.
void try_to(NlSocket& socket, NlMessage message, const std::string& doing) {
  try {
    socket.request(std::move(message), doing);
  } catch (const KernelError& error) {
    log_debug("{}", error.what());
  }
}

void set_flags(NlSocket& socket, const Link& link, std::uint32_t flags, std::uint32_t changed) {
  ifinfomsg header = header_of(link.index);
  header.ifi_flags = flags;
  header.ifi_change = changed;
  NlMessage message(RTM_NEWLINK, 0);
  message.header(header);
  try_to(socket, std::move(message), "setting the flags of " + link.name);
}

void detach_program(NlSocket& socket, const Link& link, const Mode& mode) {
  NlMessage message = change_of(link);
  message.nest(IFLA_XDP, [&](NlMessage& xdp) {
    // File descriptor -1 takes the program off. Source: net/core/dev.c dev_change_xdp_fd.
    xdp.put_u32(IFLA_XDP_FD, static_cast<std::uint32_t>(-1)).put_u32(IFLA_XDP_FLAGS, mode.flag);
  });
  try_to(socket, std::move(message), fmt::format("taking the {} XDP program off {}", mode.name, link.name));
}

bool has_other_program(const LinkTraits& now, const LinkTraits& wanted, const char* mode) {
  const auto there = now.programs.find(mode);
  if (there == now.programs.end()) return false;
  const auto former = wanted.programs.find(mode);
  return former == wanted.programs.end() || former->second != there->second;
}

void set_numbers(NlSocket& socket, const Link& link, const LinkTraits& now, const LinkTraits& wanted) {
  for (const Number& number : kNumbers) {
    const auto value = wanted.numbers.find(number.name);
    const auto there = now.numbers.find(number.name);
    if (value == wanted.numbers.end() || there == now.numbers.end() || there->second == value->second) continue;
    NlMessage message = change_of(link);
    message.put_u32(number.attribute, value->second);
    try_to(socket, std::move(message), fmt::format("setting {} of {}", number.name, link.name));
  }
}

void set_back(NlSocket& socket, const Link& link, const LinkTraits& now, const LinkTraits& wanted) {
  if (now.flags != wanted.flags) set_flags(socket, link, wanted.flags, now.flags ^ wanted.flags);
  set_numbers(socket, link, now, wanted);
  if (now.broadcast != wanted.broadcast && now.broadcast.size() == wanted.broadcast.size()) {
    NlMessage message = change_of(link);
    message.put(IFLA_BROADCAST, wanted.broadcast.data(), wanted.broadcast.size());
    try_to(socket, std::move(message), "setting the broadcast address of " + link.name);
  }
  for (const Mode& mode : kModes)
    if (has_other_program(now, wanted, mode.name)) detach_program(socket, link, mode);
}

std::vector<std::string> compare(const LinkTraits& now, const LinkTraits& wanted) {
  std::vector<std::string> clauses;
  if (now.flags != wanted.flags) clauses.push_back(fmt::format("flags are {:#x}, were {:#x}", now.flags, wanted.flags));
  for (const auto& [name, value] : wanted.numbers)
    if (const auto there = now.numbers.find(name); there != now.numbers.end() && there->second != value)
      clauses.push_back(fmt::format("{} is {}, was {}", name, there->second, value));
  if (now.broadcast != wanted.broadcast) clauses.emplace_back("its broadcast address is another");
  for (const Mode& mode : kModes)
    if (has_other_program(now, wanted, mode.name))
      clauses.push_back(fmt::format("a {} XDP program stays on it", mode.name));
  if (now.tcx_programs > wanted.tcx_programs) clauses.emplace_back("a tc program of bpf(2) stays on it");
  return clauses;
}

/// Kinds that take frames from the interface below; a tunnel that is only bound to it, or the peer of a veth, does not.
bool is_stacking(std::string_view kind) {
  constexpr std::array<std::string_view, 8> kKinds = {"vlan",   "macvlan", "macvtap", "ipvlan",
                                                      "ipvtap", "macsec",  "vxlan",   "ipoib"};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

struct Candidate {
  StackedLink link;
  std::int32_t parent_netns = 0;
};

std::vector<Candidate> list_candidates(NlSocket& socket, int parent) {
  NlMessage message(RTM_GETLINK, 0);
  message.header(header_of(0)).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::vector<Candidate> found;
  socket.dump(std::move(message), "listing interfaces", [&](const nlmsghdr& answer) {
    ifinfomsg header{};
    std::memcpy(&header, nlmsg_data(&answer), sizeof header);
    const NlAttributes attributes(answer, sizeof header);
    if (attributes.value<std::int32_t>(IFLA_LINK) != parent) return;
    // Without it the parent is in this very netns, and so another interface that has the same number by chance.
    const auto netns = attributes.value<std::int32_t>(IFLA_LINK_NETNSID);
    if (netns && is_stacking(attributes.nest(IFLA_LINKINFO).text(IFLA_INFO_KIND)))
      found.push_back({{header.ifi_index, attributes.text(IFLA_IFNAME)}, *netns});
  });
  return found;
}

/// The number by which the netns of `socket` knows `other`; nullopt when it does not.
std::optional<std::int32_t> find_netns_number(NlSocket& socket, const NetNs& other) {
  rtgenmsg header{};
  header.rtgen_family = AF_UNSPEC;
  NlMessage message(RTM_GETNSID, 0);
  message.header(header).put_u32(NETNSA_FD, static_cast<std::uint32_t>(other.fd()));
  std::optional<std::int32_t> number;
  socket.get(std::move(message), "asking for the number of a netns", [&](const nlmsghdr& answer) {
    number = NlAttributes(answer, sizeof(rtgenmsg)).value<std::int32_t>(NETNSA_NSID);
  });
  return number;
}

std::set<std::int32_t> list_netns_numbers(NlSocket& socket) {
  rtgenmsg header{};
  header.rtgen_family = AF_UNSPEC;
  NlMessage message(RTM_GETNSID, 0);
  message.header(header);
  std::set<std::int32_t> numbers;
  socket.dump(std::move(message), "listing the numbers of netns", [&](const nlmsghdr& answer) {
    if (const auto number = NlAttributes(answer, sizeof(rtgenmsg)).value<std::int32_t>(NETNSA_NSID))
      numbers.insert(*number);
  });
  return numbers;
}

}  // namespace

bool has_hidden_neighbour(const NetNs& netns, const std::vector<NetNs>& known) {
  NlSocket socket = NlSocket::in(netns);
  // Moving a link, or a veth with one end there, gives the other netns a number here. One that is none of the known has
  // exchanged a link with this one and cannot be looked into.
  std::set<std::int32_t> numbers = list_netns_numbers(socket);
  for (const NetNs& other : known) {
    if (numbers.empty()) break;
    if (const auto number = find_netns_number(socket, other)) numbers.erase(*number);
  }
  return !numbers.empty();
}

std::optional<LinkTraits> read_link_traits(NlSocket& socket, int index) {
  NlMessage message(RTM_GETLINK, 0);
  message.header(header_of(index)).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::optional<LinkTraits> traits;
  socket.get(std::move(message), fmt::format("reading interface number {}", index),
             [&](const nlmsghdr& answer) { traits = parse_traits(answer); });
  if (traits) traits->tcx_programs = count_tcx(index);
  return traits;
}

std::vector<std::string> restore_link_traits(NlSocket& socket, const Link& link, const LinkTraits& wanted) {
  const auto now = read_link_traits(socket, link.index);
  if (!now || *now == wanted) return {};
  set_back(socket, link, *now, wanted);
  const auto then = read_link_traits(socket, link.index);
  return then ? compare(*then, wanted) : std::vector<std::string>();
}

std::vector<StackedLink> list_stacked_links(const NetNs& netns, const NetNs& netns_of_parent, int parent) {
  NlSocket socket = NlSocket::in(netns);
  std::optional<std::int32_t> number;
  std::vector<StackedLink> found;
  for (Candidate& candidate : list_candidates(socket, parent)) {
    // Only where there is a candidate: most netns have none, and a node has hundreds.
    if (!number) number = find_netns_number(socket, netns_of_parent);
    if (candidate.parent_netns == number) found.push_back(std::move(candidate.link));
  }
  return found;
}

}  // namespace barewire::kernel
