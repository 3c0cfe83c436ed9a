// SPDX-License-Identifier: Apache-2.0
/// Counters say how many errors there were since the driver was bound, not when: what counts here is that they rise.
#include "device-manager/inventory/faults.h"

#include <charconv>

#include "core/error.h"

namespace barewire::inventory {

namespace {

/// Of "TOTAL_ERR_FATAL 3", the last line of such a file; 0 where there is none.
std::int64_t total_in(const std::optional<std::string>& text) {
  if (!text) return 0;
  const auto at = text->rfind("TOTAL_ERR_");
  const auto space = at == std::string::npos ? at : text->find(' ', at);
  if (space == std::string::npos) return 0;
  std::int64_t total = 0;
  std::from_chars(text->data() + space + 1, text->data() + text->size(), total);
  return total;
}

std::optional<std::string> read(const kernel::Sysfs& sysfs, const std::string& path) {
  try {
    return sysfs.read(path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

void FaultWatch::count_errors(const kernel::Sysfs& sysfs, const std::string& address, Time now) {
  std::int64_t count = 0;
  // Fatal ones end the link, the others a transaction; both leave a driver with less than it wrote. What the hardware
  // corrected is left out.
  for (const char* kind : {"aer_dev_fatal", "aer_dev_nonfatal"})
    count += total_in(read(sysfs, "bus/pci/devices/" + address + "/" + kind));
  const auto [entry, is_new] = errors_.try_emplace(address, Errors{count, std::nullopt});
  if (!is_new && count > entry->second.count) entry->second.last = now;
  entry->second.count = count;  // it also falls: another driver was bound
}

void FaultWatch::follow_groups(const std::vector<Device>& devices, const std::set<std::string>& promised) {
  std::erase_if(groups_, [&](const auto& each) { return !promised.contains(each.first); });
  for (const Device& device : devices)
    if (promised.contains(device.id) && device.iommu_group) groups_.try_emplace(device.id, *device.iommu_group);
}

void FaultWatch::look(const kernel::Sysfs& sysfs, const std::vector<Device>& devices,
                      const std::set<std::string>& promised, const std::vector<kernel::DevlinkFault>& reporters,
                      Time now) {
  now_ = now;
  std::set<std::string> addresses;
  for (const Device& device : devices) {
    if (device.type != DeviceType::auxiliary) addresses.insert(device.id);
    if (!device.pf.empty()) addresses.insert(device.pf);
  }
  for (const std::string& address : addresses) count_errors(sysfs, address, now);
  reporters_.clear();
  for (const kernel::DevlinkFault& each : reporters)
    if (each.handle.bus == "pci") reporters_.insert_or_assign(each.handle.device, each.reporter);
  follow_groups(devices, promised);
}

bool FaultWatch::has_errors(const std::string& address) const {
  const auto found = errors_.find(address);
  return found != errors_.end() && found->second.last && now_ - *found->second.last < kQuiet;
}

std::optional<std::string> FaultWatch::find(const Device& device) const {
  for (const std::string& address : {device.id, device.pf}) {
    const char* whose = address == device.id ? "it" : "its PF";
    if (const auto found = reporters_.find(address); found != reporters_.end())
      return fmt::format("{} is not well: its driver's health reporter \"{}\" is in error", whose, found->second);
    if (has_errors(address)) return fmt::format("{} had an uncorrected PCIe error", whose);
  }
  const auto group = groups_.find(device.id);
  if (group != groups_.end() && device.iommu_group.value_or("") != group->second)
    return fmt::format("its IOMMU group is {} now, its container has the node of {}",
                       device.iommu_group.value_or("none"), group->second);
  return std::nullopt;
}

void look_for_faults(FaultWatch& faults, const kernel::Sysfs& sysfs, const std::vector<Device>& devices, const Use& use,
                     FaultWatch::Time now) {
  std::set<std::string> promised;
  for (const auto& [device, allocation] : use.allocations()) promised.insert(device);
  std::vector<kernel::DevlinkFault> reporters;
  try {
    reporters = kernel::list_devlink_faults();
  } catch (const Error&) {  // a kernel that cannot be asked has not said that anything is wrong
  }
  faults.look(sysfs, devices, promised, reporters, now);
}

}  // namespace barewire::inventory
