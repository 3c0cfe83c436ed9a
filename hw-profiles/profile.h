// SPDX-License-Identifier: Apache-2.0
/// What is known of one family of NICs, each value with its source: the types that reader.h fills from JSON, loader.h
/// finds for a NIC and check.h compares with a config. hw-profiles/README.md explains every field.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hw-profiles/attribute.h"

namespace barewire::hw {

/// "8086:10c9".
struct PciId {
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  friend auto operator<=>(const PciId&, const PciId&) = default;
};
std::string to_string(const PciId& id);

enum class LinkLayer { ethernet, infiniband };

/// A value, where it is from, and whether it was looked up there or seen on hardware; an unverified one is hearsay.
template <typename T>
struct Fact {
  T value{};
  bool verified = false;
  std::string source;
  std::string note;  ///< may be empty
};

/// Can this NIC do it? `unknown`: depends on firmware or was never found out; try it and report what the kernel says.
struct Capability {
  enum class Support { yes, no, unknown };
  Support support = Support::unknown;
  bool verified = false;
  std::string source;
  std::string note;                 ///< for `no`: the reason, fit for a message
  std::optional<std::int64_t> max;  ///< Mb/s for rates, bytes for mtu
  std::optional<std::int64_t> min;  ///< smallest value but 0, in the same units
  std::vector<std::string> values;  ///< the only values that work; empty: any
  bool needs_trust = false;         ///< has no effect until the VF is trusted
  bool in_switchdev = true;         ///< also works while the eswitch is in switchdev mode
  bool zero_resets = true;          ///< of a rate: setting 0 takes it back
};

/// One way to bring an admin MAC onto a VF netdev that was probed before it was set.
enum class MacAction {
  vf_follows,  ///< the VF driver takes it by itself, after a while: wait and read again
  set_in_pod,  ///< set the same address on the VF netdev
  reopen,      ///< VF netdev down and up
  rebind,      ///< unbind and bind the VF's driver
};
struct MacHandling {
  Fact<std::vector<MacAction>> make_effective;  ///< in order of preference: when one has no effect, try the next
  Fact<bool> untrusted_may_override;            ///< once the PF has set a MAC: may an untrusted VF take another?
  Fact<bool> zero_resets;                       ///< setting 00:00:00:00:00:00 through the PF takes the admin MAC away
};

enum class VlanAction { none, reopen };
struct VlanHandling {
  Fact<VlanAction> after_change;  ///< what the VF netdev needs before traffic flows in the new VLAN
};

/// How often and after which errno values a request is worth repeating while driver or firmware are still busy.
struct Retry {
  int count = 20;
  std::chrono::milliseconds interval{100};
  std::vector<int> errors;  ///< EAGAIN, EBUSY
};

enum class SwitchdevStep { remove_vfs, legacy, create_vfs, unbind_vfs, switchdev, hw_tc_offload, bind_vfs };
struct Switchdev {
  Capability capability;
  Fact<std::vector<SwitchdevStep>> steps;  ///< from any state to VFs with representors
};

/// One card of the family: its ids, and where it differs.
struct Device {
  PciId pf;
  std::optional<PciId> vf;
  std::string model;
  std::vector<std::pair<Attribute, Capability>> attributes;
};

struct Profile {
  std::string family;  ///< "intel-igb"; "probed" for an unknown NIC
  std::string vendor;
  std::string file;  ///< where it came from
  std::string bus = "pci";
  LinkLayer link = LinkLayer::ethernet;
  std::vector<std::string> pf_drivers;
  std::vector<std::string> vf_drivers;
  Fact<std::vector<Device>> devices;

  std::array<Capability, kAttributeCount> attributes;
  MacHandling mac;
  VlanHandling vlan;
  Fact<Retry> retry;
  Switchdev switchdev;
  Fact<std::string> dpdk_driver;              ///< bind a VF to it for DPDK; empty: none known
  Fact<bool> dpdk_bifurcated;                 ///< DPDK works beside the kernel driver: never unbind it
  Fact<std::optional<std::int64_t>> max_vfs;  ///< of one PF, where the driver sets a limit below sriov_totalvfs
  Fact<bool> vf_count_needs_zero;             ///< sriov_numvfs cannot change from one non-zero value to another
  Fact<bool> flr_before_vfio_reuse;           ///< reset a vfio VF before its next user
  Fact<bool> pf_must_be_up;                   ///< VF attributes are refused while the PF is down

  // Filled by loader.h for the NIC that was asked about.
  std::string driver;                 ///< as the NIC reports it
  std::string model;                  ///< "82576"; empty when the ids are not in the profile
  std::vector<std::string> problems;  ///< what is wrong with the site profiles that were ignored

  const Capability& capability(Attribute attribute) const { return attributes[static_cast<std::size_t>(attribute)]; }
  /// "igb (Intel 82576)", for messages.
  std::string description() const;
};

/// The profile of a NIC that no profile names: every attribute unknown, to be tried and reported.
Profile probed_profile();

}  // namespace barewire::hw
