// SPDX-License-Identifier: Apache-2.0
/// Which device belongs to which pool. A promise outweighs what the configuration says now, and that what the device
/// looks like: a pod keeps what it has.
#include "device-manager/inventory/pool.h"

#include <algorithm>

#include "core/kernel/pci.h"
#include "core/text.h"

namespace barewire::inventory {
namespace {

bool is_asked_for(const std::vector<std::string>& wanted, const std::string& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

/// Of several ranges of one PF any will do.
bool is_in(const std::vector<FunctionRange>& ranges, const std::vector<std::string>& names, int number) {
  if (ranges.empty()) return true;
  return std::any_of(ranges.begin(), ranges.end(), [&](const FunctionRange& range) {
    const auto is_named = [&](const std::string& name) { return equal_ignoring_case(name, range.pf); };
    return std::any_of(names.begin(), names.end(), is_named) && range.contains(number);
  });
}

/// Source: drivers/vdpa, the two bus drivers.
bool is_vdpa(const std::string& type, const Device& device) {
  if (type.empty()) return true;
  return device.vdpa && device.vdpa->driver == (type == "vhost" ? "vhost_vdpa" : "virtio_vdpa");
}

const Selector* find_selector(const Pool& pool, const Device& device) {
  // A PF that has VFs is no device to give away: its VFs would go with it.
  if (!pool.bridge.empty() || device.type != pool.type || device.has_vfs || device.driver.empty()) return nullptr;
  const auto found = std::find_if(pool.selectors.begin(), pool.selectors.end(),
                                  [&](const Selector& selector) { return matches(selector, device); });
  return found == pool.selectors.end() ? nullptr : &*found;
}

}  // namespace

bool FunctionRange::contains(int number) const {
  if (numbers.empty()) return true;
  return std::any_of(numbers.begin(), numbers.end(),
                     [&](const auto& range) { return range.first <= number && number <= range.second; });
}

bool matches(const Selector& selector, const Device& device) {
  const std::vector<std::string> root = device.pf.empty() ? std::vector<std::string>{} : std::vector{device.pf};
  return is_asked_for(selector.vendors, device.vendor) && is_asked_for(selector.devices, device.device) &&
         is_asked_for(selector.drivers, device.driver) && is_asked_for(selector.pci_addresses, device.id) &&
         is_asked_for(selector.acpi_indexes, device.acpi_index) &&
         is_asked_for(selector.auxiliary_types, device.auxiliary_type) &&
         is_in(selector.pf_names, device.pf_names, device.number) &&
         is_in(selector.root_devices, root, device.number) && is_asked_for(selector.link_types, device.link_type) &&
         is_asked_for(selector.pkeys, device.pkey) && (!selector.rdma || !device.rdma.empty()) &&
         is_vdpa(selector.vdpa_type, device);
}

std::string driver_mode_of(const Device& device) {
  if (device.vdpa) return "vdpa";
  if (device.driver.empty()) return {};
  return kernel::is_userspace_driver(device.driver) ? device.driver : "netdev";
}

Membership assign(const std::vector<Pool>& pools, const std::vector<Device>& devices,
                  const std::map<std::string, std::string>& promised) {
  Membership result;
  result.members.resize(pools.size());
  for (const Device& device : devices) {
    // A device that is promised stays in the pool that promised it, whatever the configuration says today: a pod has
    // it.
    const auto promise = promised.find(device.id);
    std::optional<std::size_t> chosen;
    for (std::size_t i = 0; i < pools.size(); ++i) {
      const Selector* selector = find_selector(pools[i], device);
      const bool has_it = promise != promised.end() && promise->second == pools[i].resource();
      if (promise != promised.end() ? !has_it : selector == nullptr) continue;
      // The first pool of the file wins; kubelet counts a device once.
      if (chosen) {
        result.overlaps.push_back(fmt::format("{} matches {} and {}; {} has it", device.id, pools[*chosen].resource(),
                                              pools[i].resource(), pools[*chosen].resource()));
        continue;
      }
      chosen = i;
      result.members[i].push_back({&device, selector});
    }
  }
  return result;
}

}  // namespace barewire::inventory
