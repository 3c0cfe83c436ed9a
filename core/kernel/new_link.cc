// SPDX-License-Identifier: Apache-2.0
// A link made with IFLA_NET_NS_FD and a parent elsewhere appears, on many kernels, in the parent's netns first, under
// its final name: hence the name for the way.
#include "core/kernel/new_link.h"

#include <linux/if.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <utility>

#include "core/kernel/attributes.h"
#include "core/kernel/link.h"

namespace barewire::kernel {

namespace {

ifinfomsg link_header(int index, bool up = false) {
  ifinfomsg header{};
  header.ifi_index = index;
  if (up) header.ifi_flags = header.ifi_change = IFF_UP;
  return header;
}

void put_common(NlMessage& message, const NewLink& link) {
  message.put_string(IFLA_IFNAME, link.name);
  if (link.netns != nullptr) message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(link.netns->fd()));
  if (link.parent != 0) message.put_u32(IFLA_LINK, static_cast<std::uint32_t>(link.parent));
  if (link.parent_netns) message.put_u32(IFLA_LINK_NETNSID, static_cast<std::uint32_t>(*link.parent_netns));
  if (link.master != 0) message.put_u32(IFLA_MASTER, static_cast<std::uint32_t>(link.master));
  if (link.mac) message.put(IFLA_ADDRESS, link.mac->data(), link.mac->bytes().size());
  if (link.mtu) message.put_u32(IFLA_MTU, *link.mtu);
  if (link.tx_queue_length) message.put_u32(IFLA_TXQLEN, *link.tx_queue_length);
}

void put_data(NlMessage& message, std::string_view kind, const std::function<void(NlMessage&)>& fill) {
  message.nest(IFLA_LINKINFO, [&](NlMessage& info) {
    info.put_string(IFLA_INFO_KIND, kind);
    if (fill) info.nest(IFLA_INFO_DATA, fill);
  });
}

bool read_info(NlSocket& socket, int index, std::string_view kind, int kind_attribute, int data_attribute,
               const std::function<void(const NlAttributes&)>& visit) {
  NlMessage message(RTM_GETLINK, 0);
  message.header(link_header(index)).put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  bool read = false;
  auto keep = [&](const nlmsghdr& answer) {
    const NlAttributes info = NlAttributes(answer, sizeof(ifinfomsg)).nest(IFLA_LINKINFO);
    if (info.text(kind_attribute) != kind) return;
    visit(info.nest(data_attribute));
    read = true;
  };
  socket.get(std::move(message), fmt::format("reading the {} settings of interface number {}", kind, index), keep);
  return read;
}

NlMessage netns_id_message(int type, const NetNs& other) {
  NlMessage message(type, 0);
  message.header(rtgenmsg{AF_UNSPEC}).put_u32(NETNSA_FD, static_cast<std::uint32_t>(other.fd()));
  return message;
}

std::optional<int> find_netns_id(NlSocket& socket, const NetNs& other) {
  std::int32_t id = NETNSA_NSID_NOT_ASSIGNED;
  socket.get(netns_id_message(RTM_GETNSID, other), "looking for the number of netns " + other.path(),
             [&](const nlmsghdr& answer) {
               id =
                   NlAttributes(answer, sizeof(rtgenmsg)).value_or<std::int32_t>(NETNSA_NSID, NETNSA_NSID_NOT_ASSIGNED);
             });
  if (id < 0) return std::nullopt;
  return id;
}

}  // namespace

int peer_netns_id(NlSocket& socket, const NetNs& other) {
  // Two callers may ask at once: EEXIST means that the other one was first, and the number is there to be read.
  if (const auto known = find_netns_id(socket, other)) return *known;
  NlMessage message = netns_id_message(RTM_NEWNSID, other);
  message.put_u32(NETNSA_NSID, static_cast<std::uint32_t>(NETNSA_NSID_NOT_ASSIGNED));
  socket.request_unless(std::move(message), "giving netns " + other.path() + " a number", {EEXIST});
  const auto id = find_netns_id(socket, other);
  if (!id) throw Error(Error::Code::kernel, "giving netns " + other.path() + " a number failed");
  return *id;
}

namespace {

void request_link(NlSocket& socket, std::string_view kind, const NewLink& link,
                  const std::function<void(NlMessage&)>& fill) {
  // Without NLM_F_EXCL a link of that name would be changed, whoever's it is, and no error told of it.
  NlMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | (link.told == nullptr ? 0 : NLM_F_ECHO));
  message.header(link_header(0, link.up));
  put_common(message, link);
  put_data(message, kind, fill);
  const std::string where = link.netns == nullptr ? "" : fmt::format(" in {}", link.netns->path());
  NlSocket::Visit keep;
  if (link.told != nullptr) keep = [&](const nlmsghdr& answer) { *link.told = parse_link(answer); };
  socket.request(std::move(message), fmt::format("creating {} {}{}", kind, link.name, where), keep);
}

void create_in_transit(NlSocket& socket, std::string_view kind, NewLink link,
                       const std::function<void(NlMessage&)>& fill) {
  // A name that nobody has, until the link has arrived where the real one is free.
  const std::string name = std::exchange(link.name, link.transit_name);
  request_link(socket, kind, link, fill);
  rename_link(socket, get_link(socket, link.name), name);
}

}  // namespace

void create_link(NlSocket& socket, std::string_view kind, const NewLink& link,
                 const std::function<void(NlMessage&)>& fill) {
  try {
    request_link(socket, kind, link, fill);
  } catch (const KernelError& error) {
    // EEXIST may mean a name of the pod, which is an error, or one of the parent's netns, which is only in the way.
    const bool may_be_of_the_parents_netns = link.parent_netns && !link.transit_name.empty();
    if (error.err() != EEXIST || !may_be_of_the_parents_netns || find_link(socket, link.name)) throw;
    create_in_transit(socket, kind, link, fill);
  }
}

bool read_link_data(NlSocket& socket, int index, std::string_view kind,
                    const std::function<void(const NlAttributes&)>& visit) {
  return read_info(socket, index, kind, IFLA_INFO_KIND, IFLA_INFO_DATA, visit);
}

bool read_port_data(NlSocket& socket, int index, std::string_view kind,
                    const std::function<void(const NlAttributes&)>& visit) {
  return read_info(socket, index, kind, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA, visit);
}

void change_link_data(NlSocket& socket, int index, std::string_view kind, std::string_view doing,
                      const std::function<void(NlMessage&)>& fill) {
  NlMessage message(RTM_NEWLINK, 0);
  message.header(link_header(index));
  put_data(message, kind, fill);
  socket.request(std::move(message), doing);
}

}  // namespace barewire::kernel
