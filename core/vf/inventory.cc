// SPDX-License-Identifier: Apache-2.0
// sysfs says what there is, rtnetlink what it is like now. Between the two a device may go, so each part may be
// missing.
#include "core/vf/inventory.h"

#include <algorithm>
#include <utility>

namespace barewire::vf {
namespace {

std::string device_file(const std::string& address, std::string_view file) {
  return fmt::format("bus/pci/devices/{}/{}", address, file);
}

std::uint32_t total_vfs(const kernel::Sysfs& sysfs, const std::string& address) {
  const auto total = sysfs.read_integer(device_file(address, "sriov_totalvfs"));
  return total && *total > 0 ? static_cast<std::uint32_t>(*total) : 0;
}

/// A netdev may leave this netns between the reading of sysfs and the question to the kernel: then it is not here.
std::optional<kernel::Link> find_netdev(kernel::NlSocket& socket, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (auto link = kernel::find_link(socket, name)) return link;
  }
  return std::nullopt;
}

/// The PF without its VFs; nullopt when this function cannot have any.
std::optional<Pf> read_pf(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, kernel::PciFunction function) {
  Pf pf;
  pf.total_vfs = total_vfs(sysfs, function.address);
  // sriov_totalvfs and not sriov_numvfs: a PF without VFs now is a PF all the same.
  if (pf.total_vfs == 0) return std::nullopt;
  if (const auto uplink = kernel::find_uplink(sysfs, function.address)) pf.link = kernel::find_link(socket, *uplink);
  pf.pci = std::move(function);
  return pf;
}

Vf read_vf(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, std::uint32_t id, const std::string& address) {
  Vf vf;
  vf.id = id;
  vf.pci.address = address;
  // Gone between the listing and now: its address is all that is known of it.
  if (auto function = kernel::find_pci_function(sysfs, address)) vf.pci = std::move(*function);
  vf.link = find_netdev(socket, vf.pci.netdevs);
  return vf;
}

void read_vfs(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, Pf& pf) {
  const auto addresses = kernel::list_vf_addresses(sysfs, pf.pci.address);
  if (addresses.empty()) return;
  std::vector<kernel::VfInfo> infos;
  // One question for all of them: the kernel answers it whole or not at all, and a PF may have 256.
  if (pf.link) infos = kernel::list_vfs(socket, pf.link->index);
  for (const auto& [id, address] : addresses) {
    Vf vf = read_vf(sysfs, socket, id, address);
    const auto info = std::find_if(infos.begin(), infos.end(), [&](const auto& each) { return each.id == vf.id; });
    if (info != infos.end()) vf.info = *info;
    pf.vfs.push_back(std::move(vf));
  }
  std::sort(pf.vfs.begin(), pf.vfs.end(), [](const Vf& a, const Vf& b) { return a.id < b.id; });
}

/// The PCI address behind a netdev's name; alternative names are resolved by the kernel.
std::optional<std::string> address_of_netdev(const kernel::Sysfs& sysfs, kernel::NlSocket& socket,
                                             const std::string& name) {
  const auto link = kernel::find_link(socket, name);
  const auto device = sysfs.link_name(fmt::format("class/net/{}/device", link ? link->name : name));
  return device ? kernel::normalise_pci_address(*device) : std::nullopt;
}

}  // namespace

std::vector<Pf> list_pfs(const kernel::Sysfs& sysfs, kernel::NlSocket& socket) {
  std::vector<Pf> pfs;
  for (kernel::PciFunction& function : kernel::list_network_functions(sysfs)) {
    auto pf = read_pf(sysfs, socket, std::move(function));
    if (!pf) continue;
    read_vfs(sysfs, socket, *pf);
    pfs.push_back(std::move(*pf));
  }
  return pfs;
}

std::optional<Pf> find_pf_alone(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, const std::string& pf) {
  auto address = kernel::normalise_pci_address(pf);
  // A netdev's name is a path component: a slash can name none.
  if (!address && pf.find('/') == std::string::npos) address = address_of_netdev(sysfs, socket, pf);
  if (!address) return std::nullopt;
  auto function = kernel::find_pci_function(sysfs, *address);
  if (!function) return std::nullopt;
  return read_pf(sysfs, socket, std::move(*function));
}

std::optional<Pf> find_pf(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, const std::string& pf) {
  auto found = find_pf_alone(sysfs, socket, pf);
  if (found) read_vfs(sysfs, socket, *found);
  return found;
}

std::optional<VfOfPf> find_vf(const kernel::Sysfs& sysfs, kernel::NlSocket& socket, const std::string& pci_address) {
  const auto address = kernel::normalise_pci_address(pci_address);
  if (!address) return std::nullopt;
  const auto place = kernel::find_vf_place(sysfs, *address);
  if (!place) return std::nullopt;
  auto function = kernel::find_pci_function(sysfs, place->pf_address);
  if (!function) return std::nullopt;
  auto pf = read_pf(sysfs, socket, std::move(*function));
  if (!pf) return std::nullopt;
  Vf vf = read_vf(sysfs, socket, place->id, *address);
  if (pf->link) vf.info = kernel::find_vf(socket, pf->link->index, vf.id);
  pf->vfs.push_back(vf);
  return VfOfPf{std::move(*pf), std::move(vf)};
}

}  // namespace barewire::vf
