// SPDX-License-Identifier: Apache-2.0
// Attributes are read as they come, in whatever version: a kernel that does not send one leaves the default of Link.
#include "core/kernel/link.h"

#include <linux/if.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <thread>

#include "core/kernel/attributes.h"
#include "core/trace.h"

namespace barewire::kernel {

namespace {

constexpr std::size_t kLongestAltName = 127;  // ALTIFNAMSIZ, with its NUL 128: uapi/linux/if.h
// A veth has its carrier at once, hardware after seconds: short enough for the first, and cheap for the second.
constexpr auto kCarrierPoll = std::chrono::milliseconds(5);

ifinfomsg link_header(int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  return header;
}

std::string hex_text(std::string_view bytes, std::string_view separator) {
  std::string text;
  for (const char byte : bytes)
    text += fmt::format("{}{:02x}", text.empty() ? "" : separator, static_cast<unsigned char>(byte));
  return text;
}

std::optional<MacAddress> mac_of(std::string_view bytes) {
  std::array<std::uint8_t, 6> mac{};
  if (bytes.size() != mac.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), mac.begin());
  return MacAddress(mac);
}

void parse_names(Link& link, const NlAttributes& attributes) {
  link.name = attributes.text(IFLA_IFNAME);
  link.alias = attributes.text(IFLA_IFALIAS);
  link.kind = attributes.nest(IFLA_LINKINFO).text(IFLA_INFO_KIND);
  link.parent_device = attributes.text(IFLA_PARENT_DEV_NAME);
  link.phys_port_name = attributes.text(IFLA_PHYS_PORT_NAME);
  link.phys_switch_id = hex_text(attributes.bytes(IFLA_PHYS_SWITCH_ID), "");
  attributes.nest(IFLA_PROP_LIST).each([&](const nlattr& property) {
    if (nla_type(&property) == IFLA_ALT_IFNAME) link.alt_names.push_back(attribute_text(property));
  });
}

void parse_addresses(Link& link, const NlAttributes& attributes) {
  link.hardware_address = hex_text(attributes.bytes(IFLA_ADDRESS), ":");
  link.mac = mac_of(attributes.bytes(IFLA_ADDRESS));
  link.perm_mac = mac_of(attributes.bytes(IFLA_PERM_ADDRESS));
}

void parse_numbers(Link& link, const NlAttributes& attributes) {
  link.mtu = attributes.value_or<std::uint32_t>(IFLA_MTU, 0);
  link.carrier = attributes.value_or<std::uint8_t>(IFLA_CARRIER, 0) != 0;
  link.oper_state = attributes.value_or<std::uint8_t>(IFLA_OPERSTATE, 0);
  link.master = attributes.value_or<int>(IFLA_MASTER, 0);
  link.parent = attributes.value_or<int>(IFLA_LINK, 0);
  link.tx_queue_length = attributes.value_or<std::uint32_t>(IFLA_TXQLEN, 0);
  link.promiscuity = attributes.value_or<std::uint32_t>(IFLA_PROMISCUITY, 0);
  // The counter is new in Linux 6.0; before, the flag alone tells of one user or none.
  link.allmulti = attributes.value_or<std::uint32_t>(IFLA_ALLMULTI, link.is_allmulti() ? 1 : 0);
}

/// The n-th of an array of 32-bit numbers; kernels append to it.
std::optional<std::int32_t> number_at(std::string_view array, std::size_t n) {
  std::int32_t value = 0;
  if (array.size() < (n + 1) * sizeof value) return std::nullopt;
  std::memcpy(&value, array.data() + n * sizeof value, sizeof value);
  return value;
}

/// Source: net/ipv4/devinet.c inet_fill_link_af, net/ipv6/addrconf.c ipv6_store_devconf.
void parse_conf(LinkConf& conf, const NlAttributes& families) {
  const NlAttributes v4 = families.nest(AF_INET), v6 = families.nest(AF_INET6);
  conf.arp_notify = number_at(v4.bytes(IFLA_INET_CONF), IPV4_DEVCONF_ARP_NOTIFY - 1);
  const std::string_view values = v6.bytes(IFLA_INET6_CONF);
  conf.disable_ipv6 = number_at(values, DEVCONF_DISABLE_IPV6);
  conf.accept_ra = number_at(values, DEVCONF_ACCEPT_RA);
  conf.accept_dad = number_at(values, DEVCONF_ACCEPT_DAD);
  conf.enhanced_dad = number_at(values, DEVCONF_ENHANCED_DAD);
  conf.keep_addr_on_down = number_at(values, DEVCONF_KEEP_ADDR_ON_DOWN);
  conf.ndisc_notify = number_at(values, DEVCONF_NDISC_NOTIFY);
}

/// A name of up to 15 characters is looked up among alternative names too; a longer one can only be such.
void put_name(NlMessage& message, const std::string& name) {
  message.put_string(name.size() < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
}

std::optional<Link> find_link_by(NlSocket& socket, int index, const std::string& name) {
  NlMessage message(RTM_GETLINK, 0);
  // Without the IPv6 counters of each link, which the kernel has to sum up over all CPUs.
  message.header(link_header(index)).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  if (index == 0) put_name(message, name);
  std::optional<Link> found;
  const std::string doing = index == 0 ? fmt::format("looking for interface {}", name)
                                       : fmt::format("looking for interface number {}", index);
  socket.get(std::move(message), doing, [&](const nlmsghdr& answer) { found = parse_link(answer); });
  return found;
}

void put_flag_change(ifinfomsg& header, unsigned flag, std::optional<bool> wanted) {
  if (!wanted) return;
  // Only flags named in ifi_change are touched; the rest of the word may have changed since it was read.
  header.ifi_change |= flag;
  if (*wanted) header.ifi_flags |= flag;
}

void put_property(NlSocket& socket, int type, int flags, const Link& link, const std::string& alt_name,
                  std::string_view doing, std::initializer_list<int> benign) {
  NlMessage message(type, flags);
  message.header(link_header(link.index)).nest(IFLA_PROP_LIST, [&](NlMessage& list) {
    list.put_string(IFLA_ALT_IFNAME, alt_name);
  });
  socket.request_unless(std::move(message), doing, benign);
}

/// The netns a socket belongs to. Source: socket ioctl SIOCGSKNS, net/socket.c.
Fd netns_of(NlSocket& socket) {
  Fd fd(::ioctl(socket.fd(), SIOCGSKNS));
  if (!fd) throw sys_error("finding the network namespace of a netlink socket");
  return fd;
}

/// The kernel moved `link` and then could not name it: brings it back. Its index may have changed on the way.
void undo_move(NlSocket& home, NlSocket& away, const Link& link) {
  const auto stray = find_link(away, link.name);
  // By its address, and only where the name is missing at home: a link of the pod's own may be called the same.
  const bool ours = stray && stray->hardware_address == link.hardware_address && !find_link(home, link.name);
  if (!ours) return;
  const Fd home_netns = netns_of(home);
  change_link(away, stray->index, {.netns_fd = home_netns.get()}, fmt::format("moving {} back", link.name));
}

}  // namespace

bool Link::is_up() const noexcept {
  return (flags & IFF_UP) != 0;
}
bool Link::is_loopback() const noexcept {
  return (flags & IFF_LOOPBACK) != 0;
}
bool Link::is_promiscuous() const noexcept {
  return (flags & IFF_PROMISC) != 0;
}
bool Link::is_allmulti() const noexcept {
  return (flags & IFF_ALLMULTI) != 0;
}

Link parse_link(const nlmsghdr& message) {
  Link link;
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(ifinfomsg)) return link;
  ifinfomsg header{};
  std::memcpy(&header, nlmsg_data(&message), sizeof header);
  link.index = header.ifi_index;
  link.arp_type = header.ifi_type;
  link.flags = header.ifi_flags;
  const NlAttributes attributes(message, sizeof header);
  parse_names(link, attributes);
  parse_addresses(link, attributes);
  parse_numbers(link, attributes);
  parse_conf(link.conf, attributes.nest(IFLA_AF_SPEC));
  return link;
}

std::optional<Link> find_link(NlSocket& socket, const std::string& name) {
  if (name.empty() || name.size() > kLongestAltName) return std::nullopt;
  return find_link_by(socket, 0, name);
}

std::optional<Link> find_link(NlSocket& socket, int index) {
  if (index <= 0) return std::nullopt;
  return find_link_by(socket, index, {});
}

Link get_link(NlSocket& socket, const std::string& name) {
  if (auto link = find_link(socket, name)) return *std::move(link);
  throw Error(Error::Code::device, fmt::format("interface {} not found", name));
}

std::vector<Link> list_links(NlSocket& socket) {
  NlMessage message(RTM_GETLINK, 0);
  message.header(link_header(0)).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::vector<Link> links;
  socket.dump(std::move(message), "listing interfaces",
              [&](const nlmsghdr& answer) { links.push_back(parse_link(answer)); });
  return links;
}

void change_link(NlSocket& socket, int index, const LinkChange& change, std::string_view doing) {
  ifinfomsg header = link_header(index);
  put_flag_change(header, IFF_UP, change.up);
  put_flag_change(header, IFF_PROMISC, change.promisc);
  put_flag_change(header, IFF_ALLMULTI, change.allmulti);
  NlMessage message(RTM_NEWLINK, 0);
  message.header(header);
  // The order here is of no account: do_setlink has its own (see LinkChange). A failure leaves what came before it.
  if (change.netns_fd) message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(*change.netns_fd));
  if (change.name) message.put_string(IFLA_IFNAME, *change.name);
  if (change.mac) message.put(IFLA_ADDRESS, change.mac->data(), change.mac->bytes().size());
  if (change.mtu) message.put_u32(IFLA_MTU, *change.mtu);
  if (change.tx_queue_length) message.put_u32(IFLA_TXQLEN, *change.tx_queue_length);
  if (change.master) message.put_u32(IFLA_MASTER, static_cast<std::uint32_t>(*change.master));
  if (change.alias) message.put(IFLA_IFALIAS, change.alias->data(), change.alias->size());
  socket.request(std::move(message), doing);
}

NlMessage up_message(int index) {
  ifinfomsg header = link_header(index);
  put_flag_change(header, IFF_UP, true);
  NlMessage message(RTM_NEWLINK, 0);
  message.header(header);
  return message;
}

void set_up(NlSocket& socket, const Link& link) {
  change_link(socket, link.index, {.up = true}, fmt::format("bringing up {}", link.name));
}

void set_down(NlSocket& socket, const Link& link) {
  change_link(socket, link.index, {.up = false}, fmt::format("bringing down {}", link.name));
}

void set_mac(NlSocket& socket, const Link& link, const MacAddress& mac) {
  change_link(socket, link.index, {.mac = mac},
              fmt::format("setting the MAC address of {} to {}", link.name, mac.text()));
}

void set_mtu(NlSocket& socket, const Link& link, std::uint32_t mtu) {
  change_link(socket, link.index, {.mtu = mtu}, fmt::format("setting the MTU of {} to {}", link.name, mtu));
}

void rename_link(NlSocket& socket, const Link& link, const std::string& new_name) {
  change_link(socket, link.index, {.name = new_name}, fmt::format("renaming {} to {}", link.name, new_name));
}

void move_link(NlSocket& socket, const Link& link, const NetNs& target, const std::string& new_name) {
  // Asked beforehand, for the kernel would move the link and then fail to name it. A race is left, which undo_move
  // mends.
  const std::string doing = fmt::format("moving {} into {} as {}", link.name, target.path(), new_name);
  NlSocket away = NlSocket::in(target);
  if (const auto taken = find_link(away, new_name))
    throw KernelError(EEXIST, fmt::format("{} failed: {}", doing, std::strerror(EEXIST)),
                      fmt::format("the name belongs to interface number {} ({}) there", taken->index, taken->name));
  try {
    change_link(socket, link.index, {.name = new_name, .netns_fd = target.fd()}, doing);
  } catch (const KernelError&) {
    undo_move(socket, away, link);
    throw;
  }
}

void add_alt_name(NlSocket& socket, const Link& link, const std::string& name) {
  put_property(socket, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, link, name,
               fmt::format("adding alternative name {} to {}", name, link.name), {});
}

void remove_alt_name(NlSocket& socket, const Link& link, const std::string& name) {
  // ENOENT: nobody has the name. EINVAL: it is somebody else's, or this link's own first name. EOPNOTSUPP: before 5.5.
  put_property(socket, RTM_DELLINKPROP, 0, link, name,
               fmt::format("removing alternative name {} of {}", name, link.name),
               {ENOENT, EINVAL, EOPNOTSUPP, ENODEV});
}

bool delete_link(NlSocket& socket, int index, std::string_view doing) {
  NlMessage message(RTM_DELLINK, 0);
  message.header(link_header(index));
  return socket.request_unless(std::move(message), doing, {ENODEV});
}

bool wait_for_carrier(NlSocket& socket, int index, std::chrono::milliseconds timeout) {
  const trace::Span span("kernel wait", "carrier");
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const auto link = find_link(socket, index);
    if (link && link->carrier) return true;
    if (!link || std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kCarrierPoll);
  }
}

}  // namespace barewire::kernel
