// SPDX-License-Identifier: Apache-2.0
// RDMA devices have a netlink family of their own (NETLINK_RDMA), in which a device is known by its index; where a
// device may live depends on a mode of the whole system.
#include "core/kernel/rdma.h"

#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/fd.h"
#include "core/kernel/attributes.h"

namespace barewire::kernel {

namespace {

/// These messages have no header of their own.
NlMessage message_of(int command, int flags = 0) {
  return NlMessage(RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command), flags);
}

RdmaDevice device_of(const nlmsghdr& answer) {
  const NlAttributes attributes(answer, 0);
  return {.index = attributes.value_or<std::uint32_t>(RDMA_NLDEV_ATTR_DEV_INDEX, 0),
          .name = attributes.text(RDMA_NLDEV_ATTR_DEV_NAME)};
}

template <typename Fits>
std::optional<RdmaDevice> find_device(NlSocket& socket, const Fits& fits) {
  for (RdmaDevice& device : list_rdma_devices(socket))
    if (fits(device)) return std::move(device);
  return std::nullopt;
}

}  // namespace

std::string_view name_of(RdmaNetnsMode mode) {
  return mode == RdmaNetnsMode::shared ? "shared" : "exclusive";
}

/// libnl says nothing of why a socket cannot be opened; the kernel loads its RDMA modules when one is.
std::optional<NlSocket> open_rdma_socket(const NetNs& netns) {
  const Fd probe(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_RDMA));
  if (!probe && errno == EPROTONOSUPPORT) return std::nullopt;
  return NlSocket::in(netns, NETLINK_RDMA);
}

RdmaNetnsMode rdma_netns_mode(NlSocket& socket) {
  // Kernels before 5.2 do not tell, and share every device with all netns.
  std::uint8_t shared = 1;
  socket.get(message_of(RDMA_NLDEV_CMD_SYS_GET), "reading the netns mode of RDMA", [&](const nlmsghdr& answer) {
    shared = NlAttributes(answer, 0).value_or<std::uint8_t>(RDMA_NLDEV_SYS_ATTR_NETNS_MODE, 1);
  });
  return shared == 0 ? RdmaNetnsMode::exclusive : RdmaNetnsMode::shared;
}

void set_rdma_netns_mode(NlSocket& socket, RdmaNetnsMode mode) {
  NlMessage message = message_of(RDMA_NLDEV_CMD_SYS_SET);
  const auto shared = static_cast<std::uint8_t>(mode == RdmaNetnsMode::shared);
  message.put_u8(RDMA_NLDEV_SYS_ATTR_NETNS_MODE, shared);
  socket.request(std::move(message), fmt::format("setting the netns mode of RDMA to {}", name_of(mode)));
}

std::vector<RdmaDevice> list_rdma_devices(NlSocket& socket) {
  std::vector<RdmaDevice> devices;
  socket.dump(message_of(RDMA_NLDEV_CMD_GET, NLM_F_DUMP), "listing RDMA devices",
              [&](const nlmsghdr& answer) { devices.push_back(device_of(answer)); });
  return devices;
}

std::optional<RdmaDevice> find_rdma_device(NlSocket& socket, const std::string& name) {
  return find_device(socket, [&](const RdmaDevice& device) { return device.name == name; });
}

std::optional<RdmaDevice> find_rdma_device(NlSocket& socket, std::uint32_t index) {
  return find_device(socket, [&](const RdmaDevice& device) { return device.index == index; });
}

void move_rdma_device(const NetNs& from, const RdmaDevice& device, const NetNs& target) {
  NlMessage message = message_of(RDMA_NLDEV_CMD_SET);
  message.put_u32(RDMA_NLDEV_ATTR_DEV_INDEX, device.index);
  message.put_u32(RDMA_NLDEV_NET_NS_FD, static_cast<std::uint32_t>(target.fd()));
  NlSocket socket = NlSocket::in(from, NETLINK_RDMA);
  from.run([&] {
    socket.request(std::move(message), fmt::format("moving RDMA device {} into {}", device.name, target.path()));
  });
}

void rename_rdma_device(NlSocket& socket, const RdmaDevice& device, const std::string& name) {
  NlMessage message = message_of(RDMA_NLDEV_CMD_SET);
  message.put_u32(RDMA_NLDEV_ATTR_DEV_INDEX, device.index).put_string(RDMA_NLDEV_ATTR_DEV_NAME, name);
  socket.request(std::move(message), fmt::format("renaming RDMA device {} to {}", device.name, name));
}

}  // namespace barewire::kernel
