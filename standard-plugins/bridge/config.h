// SPDX-License-Identifier: Apache-2.0
/// The keys of the bridge plugin, those of the reference plugin and what goes with them; bridge.cc acts on them,
/// check.cc compares by them. docs/configuration/bridge.md describes them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cni/request.h"
#include "standard-plugins/common/links.h"
#include "standard-plugins/common/masquerade.h"

namespace barewire::standard {

/// All of one call's, with defaults in place. The keys' names are the reference plugin's: isGateway, isDefaultGateway,
/// forceAddress, ipMasq, …
struct BridgeConfig {
  std::string bridge;  ///< its name: "bridge", or cni0
  bool is_gateway = false;
  bool is_default_gateway = false;
  bool force_address = false;
  bool masquerade = false;
  NatBackend masquerade_backend = NatBackend::nftables;
  std::uint32_t mtu = 0;  ///< 0 = the kernel's
  bool promisc = false;
  PortSettings port;
  std::uint16_t vlan = 0;                     ///< 0 = none
  std::vector<std::uint16_t> trunk;           ///< sorted, each once
  std::optional<bool> preserve_default_vlan;  ///< absent: see keeps_default_vlan
  bool spoof_check = false;                   ///< "macspoofchk"
  bool duplicate_address_detection = false;
  bool has_container_interface = true;  ///< false: the pod's interface is left down
  bool has_ipam = false;
  std::optional<MacAddress> mac;

  /// Whether the bridge has to tell VLANs apart for this pod.
  bool filters_vlans() const noexcept { return vlan != 0 || !trunk.empty(); }
  /// Whether the port stays in the bridge's VLAN 1: a trunk without a VLAN for untagged frames needs it for them.
  bool keeps_default_vlan() const noexcept { return preserve_default_vlan.value_or(vlan == 0); }
  /// What the pod's port is given: `vlan` untagged, `trunk` tagged.
  std::vector<PortVlan> port_vlans() const;
  /// Throws Error{config} naming the key.
  static BridgeConfig parse(const cni::Request& request);
};

}  // namespace barewire::standard
