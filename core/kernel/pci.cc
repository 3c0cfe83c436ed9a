// SPDX-License-Identifier: Apache-2.0
// Links are read, not followed: where sysfs lies, and how deep a bridge hangs, differs between machines and in tests.
#include "core/kernel/pci.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "core/kernel/netlink.h"
#include "core/trace.h"

namespace barewire::kernel {

namespace {

constexpr std::string_view kDevices = "bus/pci/devices";
constexpr std::uint32_t kNetworkClass = 0x02;  // upper byte of the class code: PCI Code and ID Assignment spec, 1.3

std::string device_path(std::string_view address, std::string_view attribute) {
  return fmt::format("{}/{}/{}", kDevices, address, attribute);
}

/// The whole of `text` as a number.
std::optional<std::uint32_t> parse_number(std::string_view text, int base) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> parse_hex_field(std::string_view text, std::size_t digits, std::uint32_t largest) {
  if (text.size() != digits) return std::nullopt;
  const auto value = parse_number(text, 16);
  return value && *value <= largest ? value : std::nullopt;
}

std::uint32_t read_id(const Sysfs& sysfs, const std::string& address, std::string_view attribute) {
  return static_cast<std::uint32_t>(sysfs.read_integer(device_path(address, attribute)).value_or(0));
}

/// A virtio function's netdev sits one level down, below virtioN.
std::vector<std::string> netdevs_of(const Sysfs& sysfs, const std::string& address) {
  std::vector<std::string> netdevs = sysfs.list(device_path(address, "net"));
  if (!netdevs.empty()) return netdevs;
  for (const std::string& child : sysfs.list(fmt::format("{}/{}", kDevices, address)))
    if (child.starts_with("virtio"))
      for (std::string& name : sysfs.list(device_path(address, child + "/net"))) netdevs.push_back(std::move(name));
  return netdevs;
}

/// "virtfn12" → 12.
std::optional<std::uint32_t> parse_virtfn(std::string_view name) {
  constexpr std::string_view kPrefix = "virtfn";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  return parse_number(name.substr(kPrefix.size()), 10);
}

/// The 16 bits by which a function is addressed on its domain: bus, device and function number.
std::optional<std::int64_t> routing_id(std::string_view address) {
  // "dddd:bb:dd.f", the domain may have more digits.
  if (address.size() < 12) return std::nullopt;
  const auto tail = address.substr(address.size() - 7);
  const auto bus = parse_hex_field(tail.substr(0, 2), 2, 0xff);
  const auto device = parse_hex_field(tail.substr(3, 2), 2, 0x1f);
  const auto function = parse_hex_field(tail.substr(6), 1, 7);
  if (!bus || !device || !function) return std::nullopt;
  return *bus << 8 | *device << 3 | *function;
}

/// Which VF a function must be, by the offset and stride of its PF; still to be confirmed by the link. nullopt where
/// they do not say: kernels before 4.14, or a hypervisor that numbers functions anew. Source: PCIe SR-IOV, 3.3.9 and
/// 3.3.10; drivers/pci/iov.c, pci_iov_virtfn_devfn.
std::optional<std::uint32_t> computed_vf_number(const Sysfs& sysfs, const std::string& pf, const std::string& vf) {
  const auto base = routing_id(pf), own = routing_id(vf);
  const auto offset = sysfs.read_integer(device_path(pf, "sriov_offset"));
  if (!base || !own || !offset) return std::nullopt;
  const std::int64_t beyond = *own - *base - *offset;
  if (beyond == 0) return 0;
  const auto stride = sysfs.read_integer(device_path(pf, "sriov_stride"));
  if (beyond < 0 || !stride || *stride <= 0 || beyond % *stride != 0) return std::nullopt;
  return static_cast<std::uint32_t>(beyond / *stride);
}

/// "p0", "p1": the name a driver gives to a physical port; representors are "pf0vf3", "c1pf0".
bool is_uplink_port_name(std::string_view name) {
  return name.starts_with('p') && parse_number(name.substr(1), 10).has_value();
}

// Source: Documentation/ABI/testing/sysfs-bus-pci, "driver_override"; the kernel prints "(null)" where there is none.
std::optional<std::string> override_of(const Sysfs& sysfs, const std::string& address) {
  const std::string name = sysfs.read(device_path(address, "driver_override")).value_or("");
  return name.empty() || name == "(null)" ? std::nullopt : std::optional(name);
}

/// The probe tells nobody how it ended.
void require_bound(const Sysfs& sysfs, const std::string& address, const std::string& driver) {
  const auto bound = sysfs.link_name(device_path(address, "driver"));
  if (bound == driver) return;
  throw KernelError(ENODEV,
                    fmt::format("binding {} to driver {} failed: it is {}", address, driver,
                                bound ? "bound to " + *bound : "unbound"),
                    fmt::format("is the module of {} loaded, and does it know this device?", driver));
}

}  // namespace

std::optional<std::string> normalise_pci_address(std::string_view text) {
  const auto dot = text.rfind('.');
  const auto colon = text.rfind(':', dot);
  if (dot == std::string_view::npos || colon == std::string_view::npos) return std::nullopt;
  const auto domain_end = colon == 0 ? std::string_view::npos : text.rfind(':', colon - 1);
  const bool has_domain = domain_end != std::string_view::npos;
  const std::string_view domain_text = has_domain ? text.substr(0, domain_end) : "0000";
  const std::size_t bus_start = has_domain ? domain_end + 1 : 0;
  if (domain_text.size() < 4 || domain_text.size() > 8) return std::nullopt;  // VMD makes domains of five digits
  const auto domain = parse_number(domain_text, 16);
  const auto bus = parse_hex_field(text.substr(bus_start, colon - bus_start), 2, 0xff);
  const auto device = parse_hex_field(text.substr(colon + 1, dot - colon - 1), 2, 0x1f);
  const auto function = parse_hex_field(text.substr(dot + 1), 1, 7);
  if (!domain || !bus || !device || !function) return std::nullopt;
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", *domain, *bus, *device, *function);
}

std::optional<PciFunction> find_pci_function(const Sysfs& sysfs, const std::string& address) {
  if (address.empty() || !sysfs.exists(fmt::format("{}/{}", kDevices, address))) return std::nullopt;
  PciFunction function;
  function.address = address;
  function.vendor = static_cast<std::uint16_t>(read_id(sysfs, address, "vendor"));
  function.device = static_cast<std::uint16_t>(read_id(sysfs, address, "device"));
  function.pci_class = read_id(sysfs, address, "class");
  function.driver = sysfs.link_name(device_path(address, "driver")).value_or("");
  function.numa_node = static_cast<int>(sysfs.read_integer(device_path(address, "numa_node")).value_or(-1));
  function.netdevs = netdevs_of(sysfs, address);
  function.iommu_group = sysfs.link_name(device_path(address, "iommu_group"));
  return function;
}

std::vector<PciFunction> list_network_functions(const Sysfs& sysfs) {
  std::vector<PciFunction> functions;
  for (const std::string& address : sysfs.list(kDevices)) {
    if (read_id(sysfs, address, "class") >> 16 != kNetworkClass) continue;
    if (auto function = find_pci_function(sysfs, address)) functions.push_back(*std::move(function));
  }
  return functions;
}

std::vector<std::pair<std::uint32_t, std::string>> list_vf_addresses(const Sysfs& sysfs,
                                                                     const std::string& pf_address) {
  std::vector<std::pair<std::uint32_t, std::string>> vfs;
  for (const std::string& name : sysfs.list(fmt::format("{}/{}", kDevices, pf_address))) {
    const auto id = parse_virtfn(name);
    if (!id) continue;
    if (auto address = sysfs.link_name(device_path(pf_address, name))) vfs.emplace_back(*id, *std::move(address));
  }
  std::sort(vfs.begin(), vfs.end());  // the directory sorts virtfn10 before virtfn2
  return vfs;
}

std::optional<VfPlace> find_vf_place(const Sysfs& sysfs, const std::string& address) {
  const auto pf_address = sysfs.link_name(device_path(address, "physfn"));
  if (!pf_address) return std::nullopt;
  // One link to look at in place of one for each VF of the PF, which may have 256.
  if (const auto id = computed_vf_number(sysfs, *pf_address, address))
    if (sysfs.link_name(device_path(*pf_address, fmt::format("virtfn{}", *id))) == address)
      return VfPlace{*pf_address, *id};
  for (const auto& [id, vf_address] : list_vf_addresses(sysfs, *pf_address))
    if (vf_address == address) return VfPlace{*pf_address, id};
  return std::nullopt;
}

std::optional<std::string> find_uplink(const Sysfs& sysfs, const std::string& pf_address) {
  std::optional<std::string> unnamed;
  for (const std::string& netdev : netdevs_of(sysfs, pf_address)) {
    const std::string port_name = sysfs.read(fmt::format("class/net/{}/phys_port_name", netdev)).value_or("");
    if (is_uplink_port_name(port_name)) return netdev;
    if (port_name.empty() && !unnamed) unnamed = netdev;
  }
  return unnamed;
}

bool is_userspace_driver(std::string_view driver) {
  constexpr std::array<std::string_view, 3> kDrivers = {"vfio-pci", "uio_pci_generic", "igb_uio"};
  return std::find(kDrivers.begin(), kDrivers.end(), driver) != kDrivers.end();
}

void unbind_driver(const Sysfs& sysfs, const std::string& address) {
  trace::Span span("driver", "unbind");
  span.set("barewire.device", address);
  if (sysfs.link_name(device_path(address, "driver"))) sysfs.write(device_path(address, "driver/unbind"), address);
}

void bind_driver(const Sysfs& sysfs, const std::string& address, const std::string& driver) {
  trace::Span span("driver", "bind");
  span.set("barewire.device", address);
  const bool to_kernel = !is_userspace_driver(driver);
  // A driver's own "bind" refuses a device whose override names another driver. Source: drivers/pci/pci-driver.c
  // pci_match_device.
  const bool chosen_by_id = to_kernel && override_of(sysfs, address).value_or(driver) == driver;
  if (sysfs.link_name(device_path(address, "driver")) != driver) {
    unbind_driver(sysfs, address);
    if (chosen_by_id) {
      sysfs.write(fmt::format("bus/pci/drivers/{}/bind", driver), address);
    } else {
      sysfs.write(device_path(address, "driver_override"), driver);
      sysfs.write("bus/pci/drivers_probe", address);
    }
    require_bound(sysfs, address, driver);
  }
  // The override stays only where nothing but it says which driver this device is for.
  if (to_kernel && !chosen_by_id) sysfs.write(device_path(address, "driver_override"), "\n");
}

}  // namespace barewire::kernel
