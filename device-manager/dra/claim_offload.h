// SPDX-License-Identifier: Apache-2.0
/// Whether what flows through a claim's device is in hardware, as its status tells it: the condition `Offloaded`, for
/// devices that are plugged into Open vSwitch. Flows come and go by the second, the API server is written to when
/// something is so for a while. Of one thread.
/// Source: Kubernetes, type Condition; ovs-vswitchd.conf.db(5), other_config:hw-offload.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/state/attachment.h"
#include "device-manager/dra/scan.h"
#include "device-manager/switch_snapshot.h"

namespace barewire::dra {

/// What a condition says. Without numbers: each would be a change that has to be written.
struct OffloadVerdict {
  std::string status{};   ///< "True", "False", "Unknown"
  std::string reason{};   ///< one word, "DriverRefused"
  std::string message{};  ///< for people
  friend bool operator==(const OffloadVerdict&, const OffloadVerdict&) = default;
};
struct OffloadCondition {
  OffloadVerdict verdict{};
  std::string since{};  ///< of the status; RFC 3339, UTC
};

/// Of a port at this moment; nullopt where it has no flows, which says nothing of those it had. Pure logic.
std::optional<OffloadVerdict> judge_port(const manager::SwitchSnapshot& snapshot, const manager::BridgeEntry& bridge,
                                         const manager::PortEntry& port);

/// By device, of those that are plugged in: by the port's owner, or by the VF's representor. Pure logic.
std::map<std::string, std::optional<OffloadVerdict>> judge_devices(
    const manager::SwitchSnapshot& snapshot, const std::map<std::string, state::Attachment>& attachments,
    const Scan& scan);

class OffloadWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// A verdict replaces another once it was the only one for so long: below the interval between two looks.
  static constexpr std::chrono::seconds kSettled{45};
  /// Between two looks at the switch.
  static constexpr std::chrono::seconds kBetween{10};

  /// Asks the switch, where one runs and a device is attached, and no more often than kBetween. One that does not
  /// answer within a second changes nothing. Never throws.
  void look(const ovsdb::Endpoint& database, const std::map<std::string, state::Attachment>& attachments,
            const Scan& scan, Time now);
  /// `seen` as of judge_devices; devices that are not in it are forgotten. `time` is `now` as RFC 3339, UTC.
  void note(const std::map<std::string, std::optional<OffloadVerdict>>& seen, Time now, const std::string& time);
  /// By device.
  const std::map<std::string, OffloadCondition>& conditions() const { return conditions_; }

 private:
  struct Other {
    OffloadVerdict verdict;
    Time first;
  };
  std::map<std::string, OffloadCondition> conditions_;
  std::map<std::string, Other> others_;  ///< seen lately, not said yet
  std::optional<Time> looked_;
};

}  // namespace barewire::dra
