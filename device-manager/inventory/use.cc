// SPDX-License-Identifier: Apache-2.0
/// Signs of use, gathered once.
/// core/vf/use.h asks about one VF; a scan of all devices would ask the same of the kernel a thousand times.
#include "device-manager/inventory/use.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>

#include "core/directory.h"
#include "core/kernel/address.h"
#include "core/kernel/pci.h"

namespace barewire::inventory {
namespace {

/// The device that a damaged record is of, by its file's name.
std::string device_of(const std::string& path) {
  return std::filesystem::path(path).stem().string();
}

std::set<int> find_addressed(kernel::NlSocket& socket) {
  std::set<int> result;
  for (const kernel::AddressInfo& address : kernel::list_addresses(socket, 0))
    if (!address.prefix.address.is_link_local()) result.insert(address.index);
  return result;
}

std::set<std::string> find_peers(const std::string& directory) {
  std::set<std::string> result;
  for (const std::string& name : list_directory(directory + "/pci")) {
    const std::string path = directory + "/pci/" + name;
    std::error_code failed;
    // Opening a FIFO would wait for a writer.
    if (!std::filesystem::is_regular_file(path, failed)) continue;
    const auto netns = read_file(path);
    if (netns && kernel::NetNs::try_open(*netns)) result.insert(name);
  }
  return result;
}

/// Source: drivers/vfio/group.c, vfio_group_fops_open.
bool is_vfio_group_open(const Device& device, const std::string& vfio_dir) {
  if (device.driver != "vfio-pci" || !device.iommu_group) return false;
  const std::string path = fmt::format("{}/{}{}", vfio_dir, device.noiommu ? "noiommu-" : "", *device.iommu_group);
  // A group can be open once: that it opens shows that nobody has it, and closing it again changes nothing.
  const Fd group(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  return !group && errno == EBUSY;
}

}  // namespace

Use Use::look(vf::Host& host, std::vector<kernel::Link> links, const std::string& vfio_dir) {
  Use use;
  std::vector<std::pair<std::string, std::string>> unreadable;
  for (state::Allocation& each : host.allocations.list(&unreadable)) {
    std::string device = each.device;
    use.allocations_.emplace(std::move(device), std::move(each));
  }
  for (const auto& [path, error] : unreadable) use.damaged_.emplace(device_of(path), error);
  for (const state::Claim& claim : host.store.claims())
    if (claim.has_record) use.held_.emplace(claim.device, claim.record);
  use.peers_ = find_peers(host.peer_state_dir);
  for (const kernel::Link& link : links)
    // A veth's "parent" is its peer, which it is not stacked on.
    if (link.parent != 0 && link.kind != "veth" && link.parent != link.index) use.parents_.insert(link.parent);
  use.addressed_ = find_addressed(host.socket);
  use.links_ = std::move(links);
  std::sort(use.links_.begin(), use.links_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  use.vfio_dir_ = vfio_dir;
  return use;
}

std::map<std::string, std::string> Use::promised_resources() const {
  std::map<std::string, std::string> result;
  for (const auto& [device, allocation] : allocations_)
    if (allocation.by == state::Allocation::kDevicePlugin) result.emplace(device, allocation.owner);
  return result;
}

const kernel::Link* Use::find_link(const std::string& name) const {
  const auto found = std::lower_bound(links_.begin(), links_.end(), name,
                                      [](const kernel::Link& link, const std::string& key) { return link.name < key; });
  return found != links_.end() && found->name == name ? &*found : nullptr;
}

std::optional<std::string> Use::used_by_host(const kernel::Link& link) const {
  if (link.master != 0) return fmt::format("{} is part of a bridge or bond", link.name);
  if (link.is_up() && addressed_.contains(link.index)) return fmt::format("{} is up with an address", link.name);
  if (parents_.contains(link.index)) return fmt::format("another link is stacked on {}", link.name);
  return std::nullopt;
}

std::optional<std::string> Use::used_without_record(const Device& device) const {
  if (peers_.contains(device.id)) return "sriov-cni recorded it for a pod";
  if (is_vfio_group_open(device, vfio_dir_)) return "a process has its vfio group open";
  if (device.type == DeviceType::accelerator || kernel::is_userspace_driver(device.driver) || device.vdpa)
    return std::nullopt;
  if (device.netdevs.empty())
    return fmt::format("driver {} is bound, and its netdev is in another netns", device.driver);
  for (const std::string& netdev : device.netdevs) {
    const kernel::Link* link = find_link(netdev);
    if (link == nullptr) continue;
    if (auto why = used_by_host(*link)) return why;
  }
  return std::nullopt;
}

std::optional<std::string> Use::find_obstacle(const Device& device, const std::string& resource) const {
  if (device.driver.empty()) return "no driver is bound to it";
  if (const auto damaged = damaged_.find(device.id); damaged != damaged_.end()) return damaged->second;
  if (const auto promise = allocations_.find(device.id); promise != allocations_.end()) {
    const bool is_ours = promise->second.by == state::Allocation::kDevicePlugin && promise->second.owner == resource;
    return is_ours ? std::nullopt : std::optional(promise->second.text());
  }
  if (const auto held = held_.find(device.id); held != held_.end())
    return fmt::format("the attachment of {} holds it", held->second);
  return used_without_record(device);
}

bool Use::has_carrier(const Device& device) const {
  const std::string uplink = device.pf.empty() && !device.netdevs.empty() ? device.netdevs.front() : device.pf_name();
  const kernel::Link* link = uplink.empty() ? nullptr : find_link(uplink);
  // A PF that is not to be seen (on a user-space driver) is not held against its devices.
  return link == nullptr || (link->is_up() && link->carrier);
}

std::string mode_of_pool(const Pool& pool, const std::vector<Member>& members) {
  if (!pool.driver_mode.empty()) return pool.driver_mode;
  std::map<std::string, int> count;
  for (const Member& member : members) ++count[driver_mode_of(*member.device)];
  // Devices without a driver cannot say what the pool is for.
  count.erase("");
  std::string most = "netdev";
  for (const auto& [mode, number] : count)
    if (number > count[most]) most = mode;
  return most;
}

}  // namespace barewire::inventory
