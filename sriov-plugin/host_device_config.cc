// SPDX-License-Identifier: Apache-2.0
// Kernels before 5.14 do not tell a link's device by rtnetlink, so sysfs is asked where that is silent.
#include "sriov-plugin/host_device_config.h"

#include <algorithm>

#include "core/kernel/pci.h"

namespace barewire::host_device {

namespace {

constexpr std::string_view kDevices = "/sys/devices/";

bool is_below_devices(const std::string& path) {
  return path.starts_with(kDevices) && path.size() > kDevices.size() && path.find("/../") == std::string::npos &&
         !path.ends_with("/..");
}

/// "mlx5_core.sf.2": driver, kind, number. Source: Documentation/driver-api/auxiliary_bus.rst.
bool is_auxiliary(const std::string& text) {
  return text.find('/') == std::string::npos && std::count(text.begin(), text.end(), '.') == 2 &&
         text.find(':') == std::string::npos;
}

std::string parse_name(const JsonView& root) {
  const auto found = root.find("device");
  if (!found) return {};
  const std::string name = found->string();
  if (name.find('/') != std::string::npos) found->reject("the name of an interface");
  return name;
}

std::optional<MacAddress> parse_hwaddr(const JsonView& root) {
  const auto found = root.find("hwaddr");
  if (!found || found->string().empty()) return std::nullopt;
  const auto mac = MacAddress::parse(found->string());
  if (!mac) found->reject("a MAC address, as 02:00:00:00:00:01");
  return mac;
}

std::string parse_kernel_path(const JsonView& root) {
  const auto found = root.find("kernelpath");
  if (!found || found->string().empty()) return {};
  std::string path = found->string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (!is_below_devices(path)) found->reject("a path below /sys/devices/");
  return path;
}

std::string parse_bus_address(const std::optional<JsonView>& key) {
  if (!key || key->string().empty()) return {};
  const std::string text = key->string();
  if (const auto address = kernel::normalise_pci_address(text)) return *address;
  if (!is_auxiliary(text)) key->reject("a PCI address, as 0000:01:10.0, or an auxiliary device, as mlx5_core.sf.2");
  return text;
}

/// What `parse` gives, or nothing where it objects.
template <typename Parse>
auto leniently(const Parse& parse) -> decltype(parse()) {
  try {
    return parse();
  } catch (const Error&) {
    return {};
  }
}

/// The netdev in a directory "…/net". Source: Documentation/ABI/testing/sysfs-class-net.
std::optional<kernel::Link> find_in(vf::Host& host, const std::string& net_directory) {
  for (const std::string& name : host.sysfs.list(net_directory))
    if (auto link = kernel::find_link(host.socket, name)) return link;
  return std::nullopt;
}

/// A virtio NIC's netdev hangs one level deeper: DEVICE/virtio3/net.
std::optional<kernel::Link> find_below(vf::Host& host, const std::string& device) {
  if (auto link = find_in(host, device + "/net")) return link;
  for (const std::string& child : host.sysfs.list(device))
    if (child.starts_with("virtio"))
      if (auto link = find_in(host, fmt::format("{}/{}/net", device, child))) return link;
  return std::nullopt;
}

Device from_link(vf::Host& host, kernel::Link link) {
  Device device;
  device.parent = link.parent_device;
  if (device.parent.empty() && link.kind.empty())  // before Linux 5.14 rtnetlink does not tell
    if (const auto parent = host.sysfs.link_name("class/net/" + link.name + "/device")) device.parent = *parent;
  device.driver = host.sysfs.link_name("class/net/" + link.name + "/device/driver").value_or("");
  device.link = std::move(link);
  return device;
}

/// Of a PF's several netdevs its uplink.
std::optional<kernel::Link> find_netdev_of(vf::Host& host, const std::string& address, const std::string& path) {
  // In switchdev mode representors are in the PF's directory too.
  if (const auto uplink = kernel::find_uplink(host.sysfs, address))
    if (auto link = kernel::find_link(host.socket, *uplink)) return link;
  return find_below(host, path);
}

std::optional<Device> find_on_bus(vf::Host& host, const std::string& address) {
  const std::string bus = kernel::normalise_pci_address(address) ? "pci" : "auxiliary";
  const std::string path = fmt::format("bus/{}/devices/{}", bus, address);
  if (!host.sysfs.exists(path)) return std::nullopt;
  const std::string driver = host.sysfs.link_name(path + "/driver").value_or("");
  // No netdev to move: the device is claimed, and a device plugin hands its file to the container.
  if (kernel::is_userspace_driver(driver)) return Device{std::nullopt, address, driver, address};
  auto link = find_netdev_of(host, address, path);
  if (!link)
    throw Error(
        Error::Code::device, fmt::format("{} has no netdev on the host", address),
        driver.empty() ? "it has no driver" : fmt::format("driver {} is bound; is it in a pod already?", driver));
  Device device{std::nullopt, link->parent_device, driver, address};
  // Before Linux 5.14 rtnetlink does not tell.
  if (device.parent.empty() && link->kind.empty()) device.parent = address;
  device.link = std::move(link);
  return device;
}

std::optional<kernel::Link> find_by_mac(vf::Host& host, const MacAddress& mac) {
  for (kernel::Link& link : kernel::list_links(host.socket))
    if (link.mac == mac) return std::move(link);
  return std::nullopt;
}

}  // namespace

std::string DeviceQuery::text() const {
  if (!name.empty()) return fmt::format("device \"{}\"", name);
  if (mac) return fmt::format("device with hwaddr {}", mac->text());
  if (!kernel_path.empty()) return fmt::format("device with kernelpath {}", kernel_path);
  return fmt::format("device {}", bus_address);
}

DeviceQuery DeviceQuery::parse(const cni::Request& request) {
  const JsonView root = request.conf.root();
  DeviceQuery query{parse_name(root), parse_hwaddr(root), parse_kernel_path(root),
                    parse_bus_address(request.conf.runtime_config("deviceID"))};
  const std::string bus_address = parse_bus_address(root.find("pciBusID"));
  if (query.bus_address.empty()) query.bus_address = bus_address;
  if (query.empty())
    throw Error(
        Error::Code::config,
        "specify either \"device\", \"hwaddr\", \"kernelpath\" or \"pciBusID\": the network config names no device",
        "a runtime may give \"runtimeConfig.deviceID\" too, when the config declares the capability deviceID");
  return query;
}

DeviceQuery DeviceQuery::parse_leniently(const cni::Request& request) {
  const JsonView root = request.conf.root();
  DeviceQuery query;
  // DEL must work with a configuration that was edited into something wrong after ADD.
  query.name = leniently([&] { return parse_name(root); });
  query.mac = leniently([&] { return parse_hwaddr(root); });
  query.kernel_path = leniently([&] { return parse_kernel_path(root); });
  query.bus_address = leniently([&] { return parse_bus_address(request.conf.runtime_config("deviceID")); });
  if (query.bus_address.empty())
    query.bus_address = leniently([&] { return parse_bus_address(root.find("pciBusID")); });
  return query;
}

std::string Device::claim_name() const {
  if (!bus_address.empty()) return bus_address;
  return !parent.empty() ? parent : fmt::format("netdev-{}", link ? link->name : "");
}

std::optional<Device> find_device(vf::Host& host, const DeviceQuery& query) {
  std::optional<kernel::Link> link;
  if (!query.name.empty()) {
    // In the order of the reference plugin, where several keys are given: the first one wins.
    link = kernel::find_link(host.socket, query.name);
  } else if (query.mac) {
    link = find_by_mac(host, *query.mac);
  } else if (!query.kernel_path.empty()) {
    constexpr std::size_t kSys = 5;  // "/sys/"
    link = find_below(host, query.kernel_path.substr(kSys));
  } else {
    return find_on_bus(host, query.bus_address);
  }
  if (!link) return std::nullopt;
  return from_link(host, std::move(*link));
}

}  // namespace barewire::host_device
