// SPDX-License-Identifier: Apache-2.0
#include "core/kernel/genl.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

std::optional<GenlSocket> GenlSocket::open(const std::string& family) {
  NlSocket socket(NETLINK_GENERIC);
  NlMessage message(GENL_ID_CTRL, 0);
  message.header(genlmsghdr{CTRL_CMD_GETFAMILY, 1, 0}).put_string(CTRL_ATTR_FAMILY_NAME, family);
  std::uint16_t id = 0;
  std::uint32_t version = 1;
  auto keep = [&](const nlmsghdr& answer) {
    const NlAttributes attributes(answer, sizeof(genlmsghdr));
    id = attributes.value_or<std::uint16_t>(CTRL_ATTR_FAMILY_ID, 0);
    version = attributes.value_or<std::uint32_t>(CTRL_ATTR_VERSION, 1);
  };
  socket.get(std::move(message), fmt::format("looking for the {} family of generic netlink", family), keep);
  if (id == 0) return std::nullopt;
  return GenlSocket(std::move(socket), id, static_cast<std::uint8_t>(version));
}

NlMessage GenlSocket::message(std::uint8_t command, int flags) const {
  NlMessage message(family_, flags);
  message.header(genlmsghdr{command, version_, 0});
  return message;
}

}  // namespace barewire::kernel
