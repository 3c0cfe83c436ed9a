// SPDX-License-Identifier: Apache-2.0
/// What an administrator writes down of a node's NICs: the declared state, as reader.h reads it from files and plan.h
/// compares it with the node. docs/node.md describes every key. Values only.
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kernel/devlink.h"
#include "core/kernel/rdma.h"
#include "core/vf/record.h"
#include "hw-profiles/profile.h"

namespace barewire::declared {

/// Which NIC an entry is for: all that is given has to fit.
struct Selector {
  std::optional<std::string> pci{};       ///< address, normalised
  std::optional<std::string> name{};      ///< of the netdev, or an alternative name
  std::optional<std::string> alt_name{};  ///< an alternative name alone
  std::optional<hw::PciId> device{};      ///< "8086:10c9"
  std::optional<MacAddress> mac{};        ///< permanent, else the one it has
  std::optional<std::string> slot{};      ///< as /sys/bus/pci/slots names it
  std::optional<std::string> driver{};    ///< of the PF
  friend bool operator==(const Selector&, const Selector&) = default;
  /// "name ens1f0", "driver igb, slot 3".
  std::string text() const;
};

/// Whether `apply` asks DPDK of a VF of the group, and what it makes of a no.
enum class Verify { off, warn, require };

/// VFs of one NIC that are set up alike.
struct VfGroup {
  std::string key{};                                              ///< "nics[0].groups[1]"
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges{};  ///< inclusive
  std::string driver = "netdev";       ///< "netdev": the kernel's own; "dpdk": plan.h's driver_of; else a PCI driver's
  std::optional<std::uint32_t> mtu{};  ///< bytes, of the VFs' netdevs; absent: the NIC's, if that is given
  std::vector<MacAddress> macs{};      ///< one per VF, in order of their numbers; empty: none declared
  bool stable_macs = false;            ///< made of the NIC's own address and the VF's number
  vf::Settings settings{};             ///< trust, spoof_check, min_tx_rate, max_tx_rate
  std::string pool{};                  ///< of the node daemon; empty: none
  Verify verify = Verify::off;

  bool contains(std::uint32_t id) const;
  /// "0-3,7".
  std::string text() const;
};

struct Nic {
  std::string file{};
  std::string key{};                             ///< "nics[0]"
  std::vector<Selector> selectors{};             ///< any of them
  std::optional<std::uint32_t> vfs{};            ///< absent: as many as there are
  std::optional<kernel::EswitchMode> eswitch{};  ///< absent: as it is
  std::optional<std::uint32_t> mtu{};            ///< bytes; absent: as it is
  std::string alt_name{};                        ///< of its netdev, VF 3's is this and "v3"; empty: none is declared
  bool externally_managed = false;               ///< compared, never changed
  std::vector<VfGroup> groups{};

  /// The group that VF `id` belongs to; nullptr: it is left as it is.
  const VfGroup* group_of(std::uint32_t id) const;
  /// "/etc/barewire/node.json: nics[0]".
  std::string place() const { return file + ": " + key; }
};

/// A bridge of Open vSwitch; its ports for pods are the ovs plugin's.
struct OvsBridge {
  std::string file{};
  std::string key{};                 ///< "bridges[0]"
  std::string name{};                ///< also of its own port and netdev
  std::string datapath{};            ///< "system", "netdev"; empty: "system" for a new one, else as it is
  std::string uplink{};              ///< netdev; empty: none is declared
  std::optional<bool> hw_offload{};  ///< of the whole switch, not of the bridge; absent: as it is
};

/// Whether RDMA devices belong to one netns each: one mode for the node.
struct RdmaMode {
  std::string file{};
  kernel::RdmaNetnsMode mode = kernel::RdmaNetnsMode::shared;
};

/// Something that is wrong, with the file and the key in its text.
struct Problem {
  std::string text;
  std::string hint{};
};

struct Declaration {
  std::vector<std::string> files{};  ///< that were read; empty: nothing is declared
  std::vector<Nic> nics{};
  std::vector<OvsBridge> bridges{};
  std::optional<RdmaMode> rdma{};   ///< absent: as it is
  boost::json::array resources{};   ///< "resourceList": pools of the node daemon, as the device plugin has them
  std::vector<Problem> problems{};  ///< when there are any, nothing of the rest may be applied
  bool is_empty() const { return files.empty(); }
};

}  // namespace barewire::declared
