// SPDX-License-Identifier: Apache-2.0
/// Attributes of virtual functions as their physical function holds them, through rtnetlink on the PF's netdev. The
/// socket is of that netdev's netns. Drivers differ in what of it they know: core/vf/habits.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ip.h"
#include "core/kernel/netlink.h"

namespace barewire::kernel {

/// The Ethernet types of 802.1Q and 802.1ad tags, in host byte order.
enum class VlanProto : std::uint16_t { dot1q = 0x8100, dot1ad = 0x88a8 };
enum class VfLinkState : std::uint32_t { automatic = 0, enable = 1, disable = 2 };

/// One VF as its PF reports it. Absent: the driver does not report it.
struct VfInfo {
  std::uint32_t id = 0;
  std::optional<MacAddress> mac{};
  std::uint16_t vlan = 0;  ///< 0 = none
  std::uint8_t qos = 0;    ///< the tag's priority, 0 to 7
  VlanProto vlan_proto = VlanProto::dot1q;
  std::optional<bool> spoof_check{};
  std::optional<bool> trust{};              ///< whether the driver lets it be promiscuous, or set its MAC
  std::optional<VfLinkState> link_state{};  ///< drivers that cannot say are reported as automatic by the kernel
  std::optional<bool> query_rss{};          ///< whether the VF may read the hash key and table
  std::uint32_t min_tx_rate = 0;            ///< Mb/s, 0 = none
  std::uint32_t max_tx_rate = 0;            ///< Mb/s, 0 = no limit
  friend bool operator==(const VfInfo&, const VfInfo&) = default;
};

/// All VFs of the PF, in order of id; empty when the PF reports none (virtio, ENA). Asks for this PF alone, without
/// statistics. Throws KernelError.
std::vector<VfInfo> list_vfs(NlSocket& socket, int pf_index);
/// What one RTM_NEWLINK message of a PF says of its VFs.
std::vector<VfInfo> parse_vfs(const nlmsghdr& message);
/// By IFLA_VF id, never by position: a driver may leave VFs out. nullopt when the PF tells nothing of this one. Throws
/// KernelError.
std::optional<VfInfo> find_vf(NlSocket& socket, int pf_index, std::uint32_t id);

/// Attributes to set; absent ones stay untouched. They are sent one after another in the order declared, so that an
/// error names the attribute that failed; min and max rate travel together, the absent side with its current value.
struct VfChange {
  std::optional<MacAddress> mac{};
  /// Id 0 takes the tag away. Source: ip-link(8), "vf NUM vlan".
  struct Vlan {
    std::uint16_t id = 0;
    std::uint8_t qos = 0;  ///< the tag's priority, 0 to 7
    VlanProto proto = VlanProto::dot1q;
    friend bool operator==(const Vlan&, const Vlan&) = default;
  };
  std::optional<Vlan> vlan{};
  std::optional<bool> spoof_check{};
  std::optional<bool> trust{};
  std::optional<std::uint32_t> min_tx_rate{};  ///< Mb/s, 0 = none
  std::optional<std::uint32_t> max_tx_rate{};  ///< Mb/s, 0 = no limit
  std::optional<VfLinkState> link_state{};
  std::optional<bool> query_rss{};
};
/// `pf_name` is for messages: "setting trust of ens1f0 vf 3 failed: …". Throws KernelError.
void change_vf(NlSocket& socket, int pf_index, const std::string& pf_name, std::uint32_t id, const VfChange& change);

}  // namespace barewire::kernel
