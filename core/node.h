// SPDX-License-Identifier: Apache-2.0
/// The node a call works on: where its files are, and which plugins this program holds. Handed to every operation, so
/// that a test can give it other directories. What a configuration names (sockets, data directories) and what belongs
/// to the system (/proc, /etc/group) is not here; tests have a mount namespace for those.
#pragma once

#include <string>

namespace barewire {

namespace cni {
class PluginTable;
}

struct Node {
  const cni::PluginTable* plugins = nullptr;  ///< for delegation inside this program; nullptr: always execute
  std::string sysfs = "/sys";
  std::string run_dir = "/run/barewire";       ///< records, claims, locks: gone with the boot
  std::string cni_state_dir = "/var/lib/cni";  ///< peers' records, reservations, promised devices
  std::string profile_dir = "/etc/barewire/hw-profiles";
  std::string policy_file = "/etc/barewire/policy.json";  ///< what may be asked of the node; need not be there
};

}  // namespace barewire
