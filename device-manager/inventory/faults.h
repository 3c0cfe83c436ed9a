// SPDX-License-Identifier: Apache-2.0
/// What the hardware itself says is wrong with a device: uncorrected errors of PCI Express, health reporters of its
/// driver in devlink, an IOMMU group that has become another under a container that has the old one's device node.
/// use.h is about who has a device; this is about whether it works.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/kernel/devlink.h"
#include "core/kernel/sysfs.h"
#include "device-manager/inventory/carrier.h"
#include "device-manager/inventory/use.h"

namespace barewire::inventory {

/// Of one thread. What it holds is lost with the daemon, which then begins with what it sees: errors of before count no
/// more.
class FaultWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// A device counts as faulty for so long after its last uncorrected error.
  static constexpr std::chrono::minutes kQuiet{5};

  /// As things are at `now`, before find(). `promised` are the devices that containers have. `reporters`: those of
  /// devlink that are in error. Throws nothing for what cannot be read: it is no fault.
  /// Source: Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats; Documentation/networking/devlink/
  /// devlink-health.rst.
  void look(const kernel::Sysfs& sysfs, const std::vector<Device>& devices, const std::set<std::string>& promised,
            const std::vector<kernel::DevlinkFault>& reporters, Time now);
  /// A clause, such as "its PF had an uncorrected PCIe error"; nullopt: nothing is known to be wrong.
  std::optional<std::string> find(const Device& device) const;

 private:
  struct Errors {
    std::int64_t count = 0;
    std::optional<Time> last{};  ///< when it rose
  };
  void count_errors(const kernel::Sysfs& sysfs, const std::string& address, Time now);
  bool has_errors(const std::string& address) const;
  void follow_groups(const std::vector<Device>& devices, const std::set<std::string>& promised);

  Time now_{};
  std::map<std::string, Errors> errors_;          ///< by PCI address
  std::map<std::string, std::string> reporters_;  ///< PCI address → reporter in error
  std::map<std::string, std::string> groups_;     ///< device → its IOMMU group when it was given away
};

/// What has to be remembered between looks to judge devices.
struct Watches {
  CarrierWatch carrier{};
  FaultWatch faults{};
};

/// FaultWatch::look of this node at this moment. Reporters that cannot be listed are no fault.
void look_for_faults(FaultWatch& faults, const kernel::Sysfs& sysfs, const std::vector<Device>& devices, const Use& use,
                     FaultWatch::Time now);

}  // namespace barewire::inventory
