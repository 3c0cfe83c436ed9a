// SPDX-License-Identifier: Apache-2.0
// A family gets its number as it is registered, so it is asked for by name. Source: include/uapi/linux/genetlink.h,
// CTRL_CMD_GETFAMILY.
#include "core/kernel/generic_netlink.h"

#include <linux/genetlink.h>

#include "core/kernel/attributes.h"

namespace barewire::kernel {

std::optional<GenericFamily> GenericFamily::find(const char* name, std::uint8_t version) {
  GenericFamily family{.socket = NlSocket(NETLINK_GENERIC), .number = 0, .version = version};
  NlMessage message(GENL_ID_CTRL, 0);
  message.header(genlmsghdr{.cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0});
  message.put_string(CTRL_ATTR_FAMILY_NAME, name);
  const bool found =
      family.socket.get(std::move(message), fmt::format("looking up {}", name), [&](const nlmsghdr& answer) {
        family.number = NlAttributes(answer, sizeof(genlmsghdr)).value_or<std::uint16_t>(CTRL_ATTR_FAMILY_ID, 0);
      });
  if (!found || family.number == 0) return std::nullopt;
  return family;
}

NlMessage GenericFamily::message(std::uint8_t command, int flags) const {
  NlMessage message(number, flags);
  message.header(genlmsghdr{.cmd = command, .version = version, .reserved = 0});
  return message;
}

}  // namespace barewire::kernel
