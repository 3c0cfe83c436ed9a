// SPDX-License-Identifier: Apache-2.0
/// A VF for the pod and its representor for the bridge: which one that is, and what a node must offer for it. Choosing
/// reads only; attach_vf.cc acts on it, undo.cc takes it back. Source: Documentation/networking/switchdev.rst; Open
/// vSwitch's ovs-vswitchd.conf.db(5), "PMD (Poll Mode Driver) Options".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "core/vf/claim.h"
#include "hw-profiles/nic.h"
#include "ovs-plugin/bridge.h"

namespace barewire::ovs {

struct OvsConfig;

/// A vDPA device on a VF, for a pod that drives it through vhost. Source: Documentation/ABI/testing/sysfs-bus-vdpa.
struct Vdpa {
  std::string name;  ///< on bus vdpa
  std::string path;  ///< "/dev/vhost-vdpa-0"
};
/// Throws Error{device} when the VF has none on driver vhost_vdpa, or several.
Vdpa require_vdpa(const kernel::Sysfs& sysfs, const std::string& vf);

/// What stands for the VF on the switch.
struct Offload {
  std::string uplink;       ///< the PF's netdev
  std::string representor;  ///< netdev
};
/// Throws a LackError{unsupported}, an Error{device}, when the PF is not in switchdev mode or the VF has no representor
/// that can be told from others; Error{held} when the representor is part of a Linux bridge or bond.
Offload find_offload(vf::Host& host, const vf::VfOfPf& target);

/// The netdevs by which a bridge can hold the switch of `uplink`: itself, then the bond it is in and that bond's
/// members.
std::vector<std::string> list_uplinks(const kernel::Sysfs& sysfs, const std::string& uplink);

/// The bridge with one of these netdevs, or the port of DPDK that drives `pf`. Throws a LackError{bridge}, an
/// Error{device}, naming what was looked for.
Bridge choose_bridge(Connection& connection, const std::vector<std::string>& uplinks, const std::string& pf);

/// config.bridge, or the one chosen by the uplink; throws as require_bridge or choose_bridge.
Bridge find_target_bridge(Connection& connection, const OvsConfig& config, const kernel::Sysfs& sysfs,
                          const Offload& offload, const std::string& pf);
/// Whether DPDK drives the representor: where it is asked for, or where the bridge's datapath makes it the way that
/// hardware can offload.
bool is_by_dpdk(const OvsConfig& config, const Bridge& bridge);

/// Where barewire-dpdk-probe was asked of the PF that DPDK is to drive, and said no: throws a LackError{unsupported},
/// an Error{device}, with its words. Where it was not asked nothing is known, and the switch will tell.
void require_drivable(const Node& node, const std::string& pf);

/// For STATUS of a config with a device: throws as answering_status when ADD could not find the VF, its representor or
/// their bridge. That a pod has the VF is no failure.
void require_offload(const OvsConfig& config, Node& node);

/// How DPDK names the representor: `pf`'s address and the VF's number; for a PF in a bond the bond's first PF and which
/// of them is meant. Source: DPDK's mlx5 guide, "representor"; ovs-vswitchd.conf.db(5), options:dpdk-devargs.
std::string representor_devargs(const kernel::Sysfs& sysfs, const Offload& offload, const std::string& pf,
                                std::uint32_t vf);

/// What has been done to a VF and its representor, for undoing it.
struct OffloadRecord {
  vf::VfRecord vf;
  std::string representor;
  std::uint32_t mtu = 0;  ///< of the representor, before
  bool up = false;        ///< likewise
  std::string devargs;    ///< options:dpdk-devargs; empty: the switch has the kernel's netdev
  std::optional<Vdpa> vdpa{};
  std::string device_info;  ///< file; empty: none
  std::optional<std::string> device_info_before{};
};
/// As OvsRecord keeps it; parse_offload_record throws Error{state} naming the key.
boost::json::object to_json(const OffloadRecord& record);
OffloadRecord parse_offload_record(const JsonView& record, const std::string& subject);

/// MTU and state of the representor, then the VF, then the claim: unless the VF is another attachment's by now.
/// Harmless when nothing was done. Throws the first failure.
void give_back(const state::Attachment& attachment, const OffloadRecord& record, Node& node);

}  // namespace barewire::ovs
