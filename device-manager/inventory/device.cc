// SPDX-License-Identifier: Apache-2.0
/// Reading devices from sysfs.
/// A node may have a thousand functions, so what VFs share (their PF's names and numbers, vDPA devices, links) is read
/// once for all of them.
#include "device-manager/inventory/device.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <unordered_map>

#include "core/kernel/pci.h"

namespace barewire::inventory {
namespace {

constexpr std::string_view kPci = "bus/pci/devices";
constexpr std::string_view kAuxiliary = "bus/auxiliary/devices";

/// What the VFs of one PF share.
struct PfFacts {
  std::vector<std::string> names;                ///< of its uplink
  std::unordered_map<std::string, int> numbers;  ///< of its VFs, by PCI address
};

/// Whether to read the numbers of all VFs of a PF at once: for one VF its own is found faster by itself.
enum class Wanted { one, all };

/// What several devices share, read once.
class Reader {
 public:
  Reader(const kernel::Sysfs& sysfs, const std::vector<kernel::Link>& links, Wanted wanted)
      : sysfs_(sysfs), wanted_(wanted) {
    for (const kernel::Link& link : links) links_.emplace(link.name, &link);
    read_vdpa();
  }

  std::optional<Device> read_pci(const std::string& address) const;
  std::optional<Device> read_auxiliary(const std::string& name) const;

 private:
  std::string read(std::string_view bus, const std::string& id, std::string_view file) const {
    return sysfs_.read(fmt::format("{}/{}/{}", bus, id, file)).value_or("");
  }
  std::vector<std::string> list(std::string_view bus, const std::string& id, std::string_view directory) const {
    return sysfs_.list(fmt::format("{}/{}/{}", bus, id, directory));
  }
  void read_vdpa();
  std::string link_type(const std::string& netdev) const;
  const PfFacts& facts_of(const std::string& pf) const;
  void read_function(Device& device) const;
  void read_pf(Device& device) const;
  void read_userspace(Device& device) const;
  std::string pcie_root(std::string_view bus, const std::string& id) const;
  std::string partition_key(const Device& device) const;

  const kernel::Sysfs& sysfs_;
  Wanted wanted_;
  std::unordered_map<std::string, const kernel::Link*> links_;
  std::unordered_map<std::string, Vdpa> vdpa_;  ///< by the parent's PCI address
  // Filled as PFs are met, which changes nothing of what is told.
  mutable std::unordered_map<std::string, PfFacts> pfs_;
};

/// "0x8086" → "8086"
std::string without_0x(std::string text) {
  return text.starts_with("0x") ? text.substr(2) : text;
}

int number_of(const std::string& text, int fallback) {
  int value = fallback;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<std::string> real_path(const std::string& path) {
  // Symbolic links of sysfs lead to where the device really hangs, which tells its parents.
  const std::unique_ptr<char, decltype(&::free)> resolved(::realpath(path.c_str(), nullptr), ::free);
  return resolved ? std::optional<std::string>(resolved.get()) : std::nullopt;
}

/// The nearest PCI function above, as a path component; nullopt when there is none.
std::optional<std::string> pci_function_in(const std::string& path) {
  std::string_view rest = path;
  while (!rest.empty()) {
    const auto slash = rest.rfind('/');
    if (auto address = kernel::normalise_pci_address(rest.substr(slash == std::string_view::npos ? 0 : slash + 1)))
      return address;
    if (slash == std::string_view::npos) break;
    rest = rest.substr(0, slash);
  }
  return std::nullopt;
}

/// Source: Documentation/ABI/testing/sysfs-bus-vdpa; drivers/vhost/vdpa.c names the character device.
void Reader::read_vdpa() {
  for (const std::string& name : sysfs_.list("bus/vdpa/devices")) {
    const std::string base = "bus/vdpa/devices/" + name;
    // bus/vdpa/devices has links; the parent is only in the path they lead to.
    const auto path = real_path(sysfs_.path(base));
    const auto parent = path ? pci_function_in(*path) : std::nullopt;
    if (!parent) continue;
    Vdpa vdpa{name, sysfs_.link_name(base + "/driver").value_or(""), {}};
    for (const std::string& child : sysfs_.list(base))
      if (child.starts_with("vhost-vdpa-")) vdpa.path = "/dev/" + child;
    vdpa_.emplace(*parent, std::move(vdpa));
  }
}

/// As netlink libraries call it. Source: include/uapi/linux/if_arp.h.
std::string Reader::link_type(const std::string& netdev) const {
  constexpr int kEther = 1, kInfiniband = 32;
  const int type = number_of(sysfs_.read(fmt::format("class/net/{}/type", netdev)).value_or(""), -1);
  return type == kEther ? "ether" : type == kInfiniband ? "infiniband" : "";
}

const PfFacts& Reader::facts_of(const std::string& pf) const {
  const auto [found, is_new] = pfs_.try_emplace(pf);
  PfFacts& facts = found->second;
  if (!is_new) return facts;
  if (wanted_ == Wanted::all)
    for (const auto& [id, address] : kernel::list_vf_addresses(sysfs_, pf))
      facts.numbers.emplace(address, static_cast<int>(id));
  const auto name = kernel::find_uplink(sysfs_, pf);
  if (!name) return facts;
  facts.names = {*name};
  if (const auto link = links_.find(*name); link != links_.end())
    facts.names.insert(facts.names.end(), link->second->alt_names.begin(), link->second->alt_names.end());
  return facts;
}

/// "pci0000:00", the first component below /sys/devices of where the device really is.
std::string Reader::pcie_root(std::string_view bus, const std::string& id) const {
  const auto path = real_path(sysfs_.path(fmt::format("{}/{}", bus, id)));
  const auto begin = path ? path->find("/devices/pci") : std::string::npos;
  if (begin == std::string::npos) return {};
  const std::string_view rest = std::string_view(*path).substr(begin + std::string_view("/devices/").size());
  return std::string(rest.substr(0, rest.find('/')));
}

std::string Reader::partition_key(const Device& device) const {
  if (device.rdma.empty()) return {};
  // Port 1: a VF has one.
  return sysfs_.read(fmt::format("class/infiniband/{}/ports/1/pkeys/0", device.rdma.front())).value_or("");
}

void Reader::read_pf(Device& device) const {
  const auto pf = sysfs_.link_name(fmt::format("{}/{}/physfn", kPci, device.id));
  if (!pf) {
    // A VF has no such file, nor has a function without SR-IOV.
    device.has_vfs = number_of(read(kPci, device.id, "sriov_numvfs"), 0) > 0;
    return;
  }
  device.pf = *pf;
  const PfFacts& facts = facts_of(*pf);
  device.pf_names = facts.names;
  if (wanted_ == Wanted::one) {
    if (const auto place = kernel::find_vf_place(sysfs_, device.id)) device.number = static_cast<int>(place->id);
  } else if (const auto number = facts.numbers.find(device.id); number != facts.numbers.end()) {
    device.number = number->second;
  }
}

void Reader::read_userspace(Device& device) const {
  if (device.iommu_group)
    device.noiommu =
        sysfs_.read(fmt::format("kernel/iommu_groups/{}/name", *device.iommu_group)).value_or("") == "vfio-noiommu";
  const auto uio = list(kPci, device.id, "uio");
  if (!uio.empty()) device.uio = uio.front();
  if (const auto vdpa = vdpa_.find(device.id); vdpa != vdpa_.end()) device.vdpa = vdpa->second;
}

void Reader::read_function(Device& device) const {
  read_pf(device);
  read_userspace(device);
  device.pcie_root = pcie_root(kPci, device.id);
  device.acpi_index = read(kPci, device.id, "acpi_index");
  device.rdma = list(kPci, device.id, "infiniband");
  // A VF in a pod, or on vfio-pci, has no netdev here: it is of its PF's kind.
  const std::string type_of = !device.netdevs.empty() ? device.netdevs.front() : device.pf_name();
  if (!type_of.empty()) device.link_type = link_type(type_of);
  if (device.link_type == "infiniband") device.pkey = partition_key(device);
}

std::optional<Device> Reader::read_pci(const std::string& address) const {
  // The base class, the first byte of three. Source: PCI Code and ID Assignment Specification.
  constexpr std::string_view kNetwork = "0x02", kAccelerator = "0x12";
  const std::string pci_class = read(kPci, address, "class");
  const bool network = pci_class.starts_with(kNetwork);
  if (!network && !pci_class.starts_with(kAccelerator)) return std::nullopt;
  const auto function = kernel::find_pci_function(sysfs_, address);
  if (!function) return std::nullopt;
  Device device;
  device.id = address;
  device.type = network ? DeviceType::net : DeviceType::accelerator;
  device.vendor = without_0x(read(kPci, address, "vendor"));
  device.device = without_0x(read(kPci, address, "device"));
  device.driver = function->driver;
  device.netdevs = function->netdevs;
  device.numa_node = function->numa_node;
  device.iommu_group = function->iommu_group;
  read_function(device);
  return device;
}

/// Scalable functions and what else a NIC's driver puts on the auxiliary bus. Source: Documentation/driver-api/
/// auxiliary_bus.rst: "<module>.<type>.<id>".
std::optional<Device> Reader::read_auxiliary(const std::string& name) const {
  // The type is between them: "mlx5_core.sf.4".
  const auto first = name.find('.'), last = name.rfind('.');
  const auto path = real_path(sysfs_.path(fmt::format("{}/{}", kAuxiliary, name)));
  const auto parent = path ? pci_function_in(*path) : std::nullopt;
  if (first == last || !parent) return std::nullopt;
  Device device;
  device.id = name;
  device.type = DeviceType::auxiliary;
  device.auxiliary_type = name.substr(first + 1, last - first - 1);
  device.vendor = without_0x(read(kPci, *parent, "vendor"));
  device.device = without_0x(read(kPci, *parent, "device"));
  device.driver = sysfs_.link_name(fmt::format("{}/{}/driver", kAuxiliary, name)).value_or("");
  device.netdevs = list(kAuxiliary, name, "net");
  device.pf = *parent;
  device.pf_names = facts_of(*parent).names;
  device.number = number_of(read(kAuxiliary, name, "sfnum"), -1);
  device.numa_node = number_of(read(kPci, *parent, "numa_node"), -1);
  device.pcie_root = pcie_root(kPci, *parent);
  device.rdma = list(kAuxiliary, name, "infiniband");
  const std::string type_of = !device.netdevs.empty() ? device.netdevs.front() : device.pf_name();
  if (!type_of.empty()) device.link_type = link_type(type_of);
  return device;
}

}  // namespace

std::vector<Device> list_devices(const kernel::Sysfs& sysfs, const std::vector<kernel::Link>& links) {
  const Reader reader(sysfs, links, Wanted::all);
  std::vector<Device> devices;
  for (const std::string& address : sysfs.list(kPci))
    if (auto device = reader.read_pci(address)) devices.push_back(*std::move(device));
  for (const std::string& name : sysfs.list(kAuxiliary))
    if (auto device = reader.read_auxiliary(name)) devices.push_back(*std::move(device));
  return devices;
}

std::optional<Device> find_device(const kernel::Sysfs& sysfs, const std::vector<kernel::Link>& links,
                                  const std::string& id) {
  const Reader reader(sysfs, links, Wanted::one);
  return kernel::normalise_pci_address(id) ? reader.read_pci(id) : reader.read_auxiliary(id);
}

std::vector<std::string> rdma_char_devices(const kernel::Sysfs& sysfs, const std::string& rdma,
                                           const std::string& dev) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kClasses = {{{"infiniband_cm", "ucm"},
                                                                                      {"infiniband_mad", "issm"},
                                                                                      {"infiniband_mad", "umad"},
                                                                                      {"infiniband_verbs", "uverbs"}}};
  std::vector<std::string> devices;
  for (const auto& [directory, prefix] : kClasses) {
    for (const std::string& name : sysfs.list(fmt::format("class/{}", directory))) {
      if (!name.starts_with(prefix)) continue;
      if (sysfs.read(fmt::format("class/{}/{}/ibdev", directory, name)) != rdma) continue;
      devices.push_back("/dev/infiniband/" + name);
      break;
    }
  }
  if (::access((dev + "/infiniband/rdma_cm").c_str(), F_OK) == 0) devices.emplace_back("/dev/infiniband/rdma_cm");
  return devices;
}

}  // namespace barewire::inventory
