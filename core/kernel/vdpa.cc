// SPDX-License-Identifier: Apache-2.0
// One generic netlink family for all kinds of devices; of each, what concerns networks is set here alone.
#include "core/kernel/vdpa.h"

#include <linux/genetlink.h>
#include <linux/vdpa.h>

#include "core/kernel/attributes.h"
#include "core/kernel/generic_netlink.h"

namespace barewire::kernel {

namespace {

/// nullopt where the kernel has no vDPA.
std::optional<GenericFamily> find_family() {
  return GenericFamily::find(VDPA_GENL_NAME, VDPA_GENL_VERSION);
}

GenericFamily require_family(const std::string& doing) {
  if (auto family = find_family()) return *std::move(family);
  throw KernelError(EOPNOTSUPP, doing + " failed: this kernel has no vDPA", "modprobe vdpa");
}

VdpaManager read_manager(const NlAttributes& attributes) {
  return {attributes.text(VDPA_ATTR_MGMTDEV_BUS_NAME), attributes.text(VDPA_ATTR_MGMTDEV_DEV_NAME)};
}

template <typename Read>
auto dump(std::uint8_t command, std::string_view doing, Read read) {
  std::vector<decltype(read(std::declval<NlAttributes>()))> found;
  auto family = find_family();
  if (!family) return found;
  family->socket.dump(family->message(command, NLM_F_DUMP), doing,
                      [&](const nlmsghdr& answer) { found.push_back(read(NlAttributes(answer, sizeof(genlmsghdr)))); });
  return found;
}

}  // namespace

std::vector<VdpaManager> list_vdpa_managers() {
  return dump(VDPA_CMD_MGMTDEV_GET, "listing what makes vDPA devices",
              [](const NlAttributes& attributes) { return read_manager(attributes); });
}

std::vector<VdpaDevice> list_vdpa_devices() {
  return dump(VDPA_CMD_DEV_GET, "listing vDPA devices", [](const NlAttributes& attributes) {
    return VdpaDevice{attributes.text(VDPA_ATTR_DEV_NAME), read_manager(attributes)};
  });
}

void add_vdpa_device(const VdpaDevice& device, const VdpaSettings& settings) {
  const std::string doing = fmt::format("making vDPA device {} of {}", device.name, device.manager.text());
  GenericFamily family = require_family(doing);
  NlMessage message = family.message(VDPA_CMD_DEV_NEW);
  message.put_string(VDPA_ATTR_DEV_NAME, device.name);
  if (!device.manager.bus.empty()) message.put_string(VDPA_ATTR_MGMTDEV_BUS_NAME, device.manager.bus);
  message.put_string(VDPA_ATTR_MGMTDEV_DEV_NAME, device.manager.device);
  if (settings.mac)
    message.put(VDPA_ATTR_DEV_NET_CFG_MACADDR, settings.mac->bytes().data(), settings.mac->bytes().size());
  if (settings.queue_pairs) message.put_u16(VDPA_ATTR_DEV_NET_CFG_MAX_VQP, *settings.queue_pairs);
  if (settings.mtu) message.put_u16(VDPA_ATTR_DEV_NET_CFG_MTU, *settings.mtu);
  family.socket.request(std::move(message), doing);
}

void remove_vdpa_device(const std::string& name) {
  const std::string doing = fmt::format("removing vDPA device {}", name);
  GenericFamily family = require_family(doing);
  NlMessage message = family.message(VDPA_CMD_DEV_DEL);
  message.put_string(VDPA_ATTR_DEV_NAME, name);
  family.socket.request_unless(std::move(message), doing, {ENODEV});
}

std::optional<std::string> find_vdpa_driver(const Sysfs& sysfs, const std::string& name) {
  const std::string device = "bus/vdpa/devices/" + name;
  if (!sysfs.exists(device)) return std::nullopt;
  return sysfs.link_name(device + "/driver").value_or("");
}

void bind_vdpa_driver(const Sysfs& sysfs, const std::string& name, const std::string& driver) {
  const std::string now = find_vdpa_driver(sysfs, name).value_or("");
  if (now == driver) return;
  if (!now.empty()) sysfs.write(fmt::format("bus/vdpa/drivers/{}/unbind", now), name);
  sysfs.write(fmt::format("bus/vdpa/drivers/{}/bind", driver), name);
}

}  // namespace barewire::kernel
