// SPDX-License-Identifier: Apache-2.0
/// The keys of the portmap plugin, and what to map for one attachment. docs/configuration/portmap.md describes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cni/request.h"
#include "standard-plugins/common/masquerade.h"

namespace barewire::standard {

/// One element of "runtimeConfig.portMappings".
struct PortMapping {
  std::uint16_t host_port = 0;
  std::uint16_t container_port = 0;
  std::string protocol = "tcp";        ///< "tcp", "udp" or "sctp"
  std::optional<IpAddress> host_ip{};  ///< 0.0.0.0 and :: stand for all addresses of the family; absent: of both

  /// IPPROTO_*.
  std::uint8_t protocol_number() const;
  /// Whether it concerns a pod address of that family.
  bool serves(bool v4) const { return !host_ip || host_ip->is_v4() == v4; }
  /// Nothing when every address of the node is meant.
  std::optional<IpAddress> only_address() const;
};

struct PortmapConfig {
  std::optional<NatBackend> backend;  ///< absent: nftables, unless a key needs iptables
  bool source_nat = true;
  bool masquerade_all = false;
  std::vector<std::string> conditions_v4, conditions_v6;
  int mark_bit = 13;                ///< iptables alone
  std::string external_mark_chain;  ///< iptables alone; empty = our own
  std::vector<PortMapping> mappings;

  /// Of one family; empty: none.
  const std::vector<std::string>& conditions(bool v4) const { return v4 ? conditions_v4 : conditions_v6; }
  /// Throws Error{config} naming the key.
  static PortmapConfig parse(const cni::NetConf& conf);
};

/// The pod's addresses with their subnets' lengths: the first of each family that interface `ifname` has.
std::vector<IpPrefix> pod_addresses(const cni::Result& previous, const std::string& ifname);

}  // namespace barewire::standard
