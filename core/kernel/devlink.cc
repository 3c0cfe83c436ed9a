// SPDX-License-Identifier: Apache-2.0
// Drivers differ in what of devlink they have; what one lacks is an answer here (EOPNOTSUPP, EINVAL), not a failure.
#include "core/kernel/devlink.h"

#include <linux/devlink.h>
#include <linux/genetlink.h>

#include <array>

#include "core/kernel/attributes.h"
#include "core/kernel/generic_netlink.h"

namespace barewire::kernel {

namespace {

/// nullopt where the kernel has no devlink.
std::optional<GenericFamily> find_family() {
  return GenericFamily::find(DEVLINK_GENL_NAME, DEVLINK_GENL_VERSION);
}

NlMessage message_of(const GenericFamily& devlink, std::uint8_t command, const DevlinkHandle& handle) {
  NlMessage message = devlink.message(command);
  message.put_string(DEVLINK_ATTR_BUS_NAME, handle.bus);
  message.put_string(DEVLINK_ATTR_DEV_NAME, handle.device);
  return message;
}

std::string text_of(const DevlinkHandle& handle) {
  return fmt::format("{}/{}", handle.bus, handle.device);
}

/// Source: enum devlink_port_flavour in include/uapi/linux/devlink.h.
std::string flavour_name(std::uint16_t flavour) {
  constexpr std::array<std::string_view, 8> kNames = {"physical", "cpu",     "dsa",    "pcipf",
                                                      "pcivf",    "virtual", "unused", "pcisf"};
  return flavour < kNames.size() ? std::string(kNames[flavour]) : fmt::format("flavour {}", flavour);
}

DevlinkPort read_port(const NlAttributes& attributes) {
  DevlinkPort port;
  port.index = attributes.value_or<std::uint32_t>(DEVLINK_ATTR_PORT_INDEX, 0);
  port.netdev = attributes.text(DEVLINK_ATTR_PORT_NETDEV_NAME);
  port.netdev_index = static_cast<int>(attributes.value_or<std::uint32_t>(DEVLINK_ATTR_PORT_NETDEV_IFINDEX, 0));
  port.flavour = flavour_name(attributes.value_or<std::uint16_t>(DEVLINK_ATTR_PORT_FLAVOUR, 0));
  port.controller = attributes.value<std::uint32_t>(DEVLINK_ATTR_PORT_CONTROLLER_NUMBER);
  port.pf = attributes.value<std::uint16_t>(DEVLINK_ATTR_PORT_PCI_PF_NUMBER);
  if (const auto vf = attributes.value<std::uint16_t>(DEVLINK_ATTR_PORT_PCI_VF_NUMBER)) port.vf = *vf;
  return port;
}

/// Whether a dump's message is about `handle`: kernels before 6.4 list every device's ports.
bool is_about(const NlAttributes& attributes, const DevlinkHandle& handle) {
  return attributes.text(DEVLINK_ATTR_BUS_NAME) == handle.bus &&
         attributes.text(DEVLINK_ATTR_DEV_NAME) == handle.device;
}

}  // namespace

std::optional<EswitchMode> find_eswitch_mode(const DevlinkHandle& handle) {
  auto devlink = find_family();
  if (!devlink) return std::nullopt;
  std::optional<EswitchMode> mode;
  try {
    devlink->socket.get(
        message_of(*devlink, DEVLINK_CMD_ESWITCH_GET, handle), "reading the eswitch mode of " + text_of(handle),
        [&](const nlmsghdr& answer) {
          const auto value = NlAttributes(answer, sizeof(genlmsghdr)).value<std::uint16_t>(DEVLINK_ATTR_ESWITCH_MODE);
          if (value) mode = *value == DEVLINK_ESWITCH_MODE_SWITCHDEV ? EswitchMode::switchdev : EswitchMode::legacy;
        });
  } catch (const KernelError& error) {
    if (error.err() != EOPNOTSUPP && error.err() != EINVAL) throw;  // a device without an eswitch
  }
  return mode;
}

void set_eswitch_mode(const DevlinkHandle& handle, EswitchMode mode) {
  const bool switchdev = mode == EswitchMode::switchdev;
  const std::string doing =
      fmt::format("setting the eswitch mode of {} to {}", text_of(handle), switchdev ? "switchdev" : "legacy");
  auto devlink = find_family();
  // A change that cannot be asked for is an error, unlike a question, which has "none" for an answer.
  if (!devlink) throw KernelError(EOPNOTSUPP, doing + " failed: this kernel has no devlink", "");
  NlMessage message = message_of(*devlink, DEVLINK_CMD_ESWITCH_SET, handle);
  message.put_u16(DEVLINK_ATTR_ESWITCH_MODE, switchdev ? DEVLINK_ESWITCH_MODE_SWITCHDEV : DEVLINK_ESWITCH_MODE_LEGACY);
  devlink->socket.request(std::move(message), doing);
}

std::vector<DevlinkPort> list_devlink_ports(const DevlinkHandle& handle) {
  std::vector<DevlinkPort> ports;
  auto devlink = find_family();
  if (!devlink) return ports;
  devlink->socket.dump(message_of(*devlink, DEVLINK_CMD_PORT_GET, handle),
                       "listing the devlink ports of " + text_of(handle),
                       [&](const nlmsghdr& answer) {
                         const NlAttributes attributes(answer, sizeof(genlmsghdr));
                         if (is_about(attributes, handle)) ports.push_back(read_port(attributes));
                       },
                       // The device has gone meanwhile.
                       {ENODEV});
  return ports;
}

std::vector<DevlinkFault> list_devlink_faults() {
  constexpr std::uint8_t kError = 1;  // DEVLINK_HEALTH_REPORTER_STATE_ERROR, which is the kernel's alone
  std::vector<DevlinkFault> faults;
  auto devlink = find_family();
  if (!devlink) return faults;
  devlink->socket.dump(
      devlink->message(DEVLINK_CMD_HEALTH_REPORTER_GET), "listing the health reporters of devlink",
      [&](const nlmsghdr& answer) {
        const NlAttributes attributes(answer, sizeof(genlmsghdr));
        const NlAttributes reporter = attributes.nest(DEVLINK_ATTR_HEALTH_REPORTER);
        if (reporter.value_or<std::uint8_t>(DEVLINK_ATTR_HEALTH_REPORTER_STATE, 0) != kError) return;
        faults.push_back({{attributes.text(DEVLINK_ATTR_BUS_NAME), attributes.text(DEVLINK_ATTR_DEV_NAME)},
                          reporter.text(DEVLINK_ATTR_HEALTH_REPORTER_NAME)});
      });
  return faults;
}

}  // namespace barewire::kernel
