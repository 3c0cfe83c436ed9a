// SPDX-License-Identifier: Apache-2.0
/// The keys of the ovs plugin: those of ovs-cni, and ours. docs/configuration/ovs.md describes them; attach.cc and
/// attach_vf.cc act on them, check.cc compares by them. Parsed before anything is touched.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cni/request.h"
#include "ovs-plugin/ovsdb/endpoint.h"
#include "ovs-plugin/ovsdb/values.h"
#include "ovs-plugin/qos.h"
#include "ovs-plugin/tunnel.h"
#include "ovs-plugin/vhost_user.h"
#include "ovs-plugin/vlan.h"

namespace barewire::ovs {

struct OvsConfig {
  ovsdb::Endpoint endpoint;
  std::string bridge;                 ///< empty: the one that holds the device's uplink
  std::optional<std::string> device;  ///< PCI address of a VF for the pod, whose representor goes onto the bridge
  std::string device_info_file;       ///< of `device`; may be empty
  Vlan vlan;
  std::optional<std::uint32_t> mtu;
  std::optional<MacAddress> mac;  ///< of the pod's end
  std::optional<std::int64_t> ofport_request;
  std::string interface_type;  ///< column type; "": what vswitchd takes by itself; kAfPacket for such a port of DPDK
  std::string devargs;         ///< options:dpdk-devargs of a representor that DPDK drives
  bool isolated = false;       ///< column protected
  ovsdb::StringMap external_ids;
  ovsdb::StringMap other_config;   ///< of the port
  std::string ovn_port;            ///< the interface's external_ids:iface-id
  std::optional<VhostUser> vhost;  ///< a socket for DPDK instead of a veth pair
  Qos qos;
  std::vector<Tunnel> tunnels;
  /// How long to wait for the switch to see the link, before the addresses are announced. Zero: no waiting.
  std::chrono::milliseconds link_patience{};

  /// Of plugin `ovs` or `userspace`. Throws Error{config} naming the key, Error{unsupported_field} for what is not
  /// supported. Nothing is touched.
  static OvsConfig parse(const cni::Request& request, std::string_view plugin);

  /// The representor is driven by DPDK, which knows other rates.
  void use_dpdk(const cni::Request& request, std::string args);
  /// Which ports of DPDK are wanted, for messages; empty: none.
  std::string_view dpdk_ports() const;

  /// Of the pod's end of a veth pair on a bridge of that datapath; nullopt where the port's columns limit it.
  std::optional<kernel::TokenBucket> pod_rate(const std::string& datapath_type) const;

  /// Columns of the rows to insert, but for the owner: what CHECK compares too.
  ovsdb::Row port_columns() const;
  ovsdb::Row interface_columns(const std::string& port) const;
};
inline constexpr const char* kDpdk = "dpdk";
inline constexpr const char* kPortsOfDpdk = "ports of type dpdk";  ///< for messages
inline constexpr const char* kAfPacket =
    "af_packet";  ///< ours: DPDK's driver net_af_packet on the node's end of a veth
inline constexpr const char* kAfXdp = "afxdp";

/// The keys of userspace-cni. Throws as OvsConfig::parse.
OvsConfig parse_userspace(const cni::Request& request);

/// Key `socket_file` and the files of TLS. Throws Error{config}.
ovsdb::Endpoint parse_socket(const LayeredConfig& config);

/// Where the database of a node that ADD may never have reached is: an unreadable configuration gives the default.
ovsdb::Endpoint endpoint_leniently(const cni::Request& request);

}  // namespace barewire::ovs
