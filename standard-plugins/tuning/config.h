// SPDX-License-Identifier: Apache-2.0
/// The keys of the tuning plugin, and the list of sysctls an administrator allows. docs/configuration/tuning.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/cni/request.h"
#include "core/kernel/link.h"

namespace barewire::standard {

/// Settings of an interface; absent: not touched. Asked for by the configuration, or what was there before (backup.h).
struct LinkSettings {
  std::optional<MacAddress> mac;
  std::optional<std::uint32_t> mtu;              ///< bytes
  std::optional<std::uint32_t> tx_queue_length;  ///< packets
  std::optional<bool> promisc;                   ///< only ever true: false says nothing
  std::optional<bool> allmulti;

  /// Nothing is asked for, so nothing of the interface needs a record.
  bool empty() const noexcept { return !mac && !mtu && !tx_queue_length && !promisc && !allmulti; }
  /// Those of `link`, for what is set here.
  LinkSettings present_in(const kernel::Link& link) const;
};

struct TuningConfig {
  std::string data_dir;                        ///< of the backups, in the reference plugin's format
  std::map<std::string, std::string> sysctls;  ///< path below /proc/sys → value
  LinkSettings link;

  /// Throws Error{config} naming the key; also for a sysctl outside net/ or not in `allow_list`, a file with one POSIX
  /// extended regular expression per line that the key, as written, must match. No such file: everything is allowed.
  static TuningConfig parse(const cni::Request& request, const std::string& allow_list);
};

/// Where the backups of `request` are kept, whatever else its configuration says.
std::string tuning_data_dir(const cni::Request& request);

}  // namespace barewire::standard
